//! What is known about each device, and the text for bug reports.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use super::driver::{DeviceAttribute, DeviceHandle, Driver, KernelHandle};
use super::images::Choice;
use super::kernel::Kernel;
use super::plan::DeviceProperties;
use crate::status::{Error, Result};

/// Dynamic shared memory that every kernel may use without asking.
const SHARED_BYTES_WITHOUT_ASKING: u32 = 48 * 1024;

/// A device, its properties, and what has been set up on it.
pub(super) struct Device {
    pub(super) handle: DeviceHandle,
    pub(super) properties: DeviceProperties,
    /// Which of its images each kernel runs here.
    pub(super) image: Choice,
    /// Dynamic shared memory that each kernel may use here.
    shared_bytes: [AtomicU32; Kernel::ALL.len()],
    raising_shared_bytes: Mutex<()>,
    /// Whether `preload` keeps a reference to the primary context.
    pub(super) primary_is_kept: AtomicBool,
}

/// Devices looked at so far. Entries are never removed: devices do not change while a process runs.
static DEVICES: RwLock<Vec<&'static Device>> = RwLock::new(Vec::new());

impl Device {
    /// The device of an ordinal.
    pub(super) fn get(driver: &Driver, ordinal: i32) -> Result<&'static Device> {
        let known =
            |devices: &[&'static Device]| devices.iter().copied().find(|device| device.properties.ordinal == ordinal);
        if let Some(device) = known(&DEVICES.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(device);
        }
        let device = Device::look_up(driver, ordinal)?;
        let mut devices = DEVICES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = known(&devices) {
            return Ok(device);
        }
        let device = &*Box::leak(Box::new(device));
        devices.push(device);
        Ok(device)
    }

    fn look_up(driver: &Driver, ordinal: i32) -> Result<Device> {
        let handle = driver.device(ordinal)?;
        let attribute = |attribute| driver.device_attribute(handle, attribute);
        let compute_capability =
            (attribute(DeviceAttribute::ComputeCapabilityMajor)?, attribute(DeviceAttribute::ComputeCapabilityMinor)?);
        Ok(Device {
            handle,
            properties: DeviceProperties {
                ordinal,
                multiprocessors: attribute(DeviceAttribute::Multiprocessors)?,
                compute_capability,
                max_shared_bytes: attribute(DeviceAttribute::MaxSharedMemoryPerBlockOptin)?,
            },
            image: Choice::of(compute_capability)?,
            shared_bytes: [const { AtomicU32::new(SHARED_BYTES_WITHOUT_ASKING) }; Kernel::ALL.len()],
            raising_shared_bytes: Mutex::new(()),
            primary_is_kept: AtomicBool::new(false),
        })
    }

    /// Lets a kernel use `bytes` of dynamic shared memory on this device; asks the driver once.
    pub(super) fn allow_shared_bytes(
        &self,
        driver: &Driver,
        kernel: Kernel,
        handle: KernelHandle,
        bytes: u32,
    ) -> Result<()> {
        let allowed = &self.shared_bytes[kernel.index()];
        if bytes <= allowed.load(Ordering::Acquire) {
            return Ok(());
        }
        // One thread at a time, so that a smaller size never replaces a larger one.
        let _raising = self.raising_shared_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes > allowed.load(Ordering::Acquire) {
            driver.set_dynamic_shared_bytes(handle, self.handle, bytes)?;
            allowed.store(bytes, Ordering::Release);
        }
        Ok(())
    }
}

/// The number of devices; 0 if CUDA cannot be used here.
pub(super) fn count() -> Result<i32> {
    let count = || {
        let driver = Driver::get()?;
        driver.init()?;
        driver.device_count()
    };
    match count() {
        Err(Error::NoCuda(_)) => Ok(0),
        other => other,
    }
}

/// Driver and devices in a few lines. Creates no context, and says what is wrong instead of failing.
pub(super) fn describe() -> String {
    let mut text = String::new();
    match write_description(&mut text) {
        Ok(()) => text,
        Err(error) => format!("{text}cuda: not usable: {error}\n"),
    }
}

fn write_description(text: &mut String) -> Result<()> {
    let driver = Driver::get()?;
    let version = driver.version()?;
    driver.init()?;
    let count = driver.device_count()?;
    // Writing to a String cannot fail.
    let _ = writeln!(text, "cuda: driver for CUDA {}.{}; devices: {count}", version / 1000, version % 1000 / 10);
    for ordinal in 0..count {
        let device = Device::get(driver, ordinal)?;
        let DeviceProperties { multiprocessors, compute_capability: (major, minor), .. } = device.properties;
        let name = driver.device_name(device.handle)?;
        let _ = writeln!(
            text,
            "cuda device {ordinal}: {name}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, \
             kernels: {}",
            device.image
        );
    }
    Ok(())
}
