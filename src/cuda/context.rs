//! Contexts, streams and the workspace of synchronous calls: what a call borrows from the driver and gives back on every
//! path.

use super::DevicePtr;
use super::device::Device;
use super::driver::{Driver, Stream};
use crate::status::{Error, Result};

/// Checks that a stream belongs to the device. Default streams fit every device.
pub(super) fn check_stream(driver: &Driver, device: &Device, stream: Stream) -> Result<()> {
    if stream.is_default() {
        return Ok(());
    }
    let context = driver.stream_context(stream)?;
    let owner = if driver.current_context()? == Some(context) {
        driver.current_device()?
    } else {
        driver.push_context(context)?;
        let owner = driver.current_device();
        with_cleanup(owner, driver.pop_context())?
    };
    if owner == device.handle {
        return Ok(());
    }
    Err(Error::Stream(format!(
        "stream belongs to CUDA device {}, but the pointers are on CUDA device {}",
        owner.ordinal(),
        device.properties.ordinal
    )))
}

/// A context of one device, current on this thread.
pub(super) struct CurrentContext<'a> {
    driver: &'a Driver,
    device: &'a Device,
    /// Whether the primary context was retained and pushed, and must be given back.
    borrowed: bool,
}

impl<'a> CurrentContext<'a> {
    /// Keeps the caller's current context if it is of the device, otherwise makes the primary context current.
    pub(super) fn enter(driver: &'a Driver, device: &'a Device) -> Result<Self> {
        if driver.current_context()?.is_some() && driver.current_device()? == device.handle {
            return Ok(CurrentContext { driver, device, borrowed: false });
        }
        let primary = driver.retain_primary(device.handle)?;
        if let Err(error) = driver.push_context(primary) {
            return with_cleanup(Err(error), driver.release_primary(device.handle));
        }
        Ok(CurrentContext { driver, device, borrowed: true })
    }

    /// Whether this is a reference of our own to the primary context.
    pub(super) fn is_borrowed_primary(&self) -> bool {
        self.borrowed
    }

    /// Makes the caller's context current again and keeps the primary context alive.
    pub(super) fn leave_and_keep(mut self) -> Result<()> {
        if std::mem::take(&mut self.borrowed) { self.driver.pop_context() } else { Ok(()) }
    }

    /// Makes the caller's context current again.
    pub(super) fn leave(mut self) -> Result<()> {
        self.give_back()
    }

    fn give_back(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.borrowed) {
            return Ok(());
        }
        let popped = self.driver.pop_context();
        with_cleanup(popped, self.driver.release_primary(self.device.handle))
    }
}

impl Drop for CurrentContext<'_> {
    /// Only an early return or a panic comes here with something to give back; it has an error of its own to report.
    fn drop(&mut self) {
        let _ = self.give_back();
    }
}

/// Device memory of a synchronous call.
pub(super) struct Allocation<'a> {
    driver: &'a Driver,
    memory: Option<DevicePtr>,
}

impl<'a> Allocation<'a> {
    /// Memory in the current context.
    pub(super) fn new(driver: &'a Driver, bytes: usize) -> Result<Self> {
        driver.allocate(bytes).map(|memory| Allocation { driver, memory: Some(memory) })
    }

    pub(super) fn address(&self) -> DevicePtr {
        self.memory.unwrap_or(DevicePtr(0))
    }

    /// Frees the memory; waits for the work that uses it.
    pub(super) fn free(mut self) -> Result<()> {
        self.give_back()
    }

    fn give_back(&mut self) -> Result<()> {
        match self.memory.take() {
            // SAFETY: it came from `allocate`, and `take` lets it be freed once.
            Some(memory) => unsafe { self.driver.free(memory) },
            None => Ok(()),
        }
    }
}

impl Drop for Allocation<'_> {
    /// As for a context: whoever comes here has an error of its own to report.
    fn drop(&mut self) {
        let _ = self.give_back();
    }
}

/// The outcome of some work and of cleaning up after it: the work's error comes first.
pub(super) fn with_cleanup<T>(outcome: Result<T>, cleanup: Result<()>) -> Result<T> {
    let value = outcome?;
    cleanup.map(|()| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_reported_and_none_is_lost() {
        let fault = |text: &str| Error::Cuda(text.to_owned());
        assert_eq!(with_cleanup(Ok(1), Ok(())), Ok(1));
        assert_eq!(with_cleanup(Ok(1), Err(fault("cleanup"))), Err(fault("cleanup")));
        assert_eq!(with_cleanup::<i32>(Err(fault("work")), Err(fault("cleanup"))), Err(fault("work")));
    }
}
