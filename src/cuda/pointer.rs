//! Where pointers live, and whether they live together.
//!
//! Device memory exists only if somebody in this process has loaded and initialised the driver. So host pointers are told
//! apart without ever loading or initialising it.

use std::fmt;

use super::Location;
use super::driver::{Driver, KnownMemory, explained};
use super::process;
use crate::status::{Error, Result};

/// Where one pointer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Host memory, pinned or not.
    Host,
    /// Managed memory, made with this device current; host and devices can use it.
    Managed(i32),
    /// Memory of this device.
    Device(i32),
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Host => f.write_str("in host memory"),
            Memory::Managed(_) => f.write_str("in managed memory"),
            Memory::Device(ordinal) => write!(f, "on CUDA device {ordinal}"),
        }
    }
}

/// An argument's name and where it lives.
type Placed<'a> = (&'a str, Memory);

/// Where a call with these pointers runs if its options do not say.
pub(crate) fn locate(pointers: &[(&str, usize)]) -> Result<Location> {
    common_location(&place(pointers)?)
}

/// Checks that the CPU can use every pointer.
pub(crate) fn require_host(pointers: &[(&str, usize)]) -> Result<()> {
    check_host(&place(pointers)?)
}

/// Checks that one CUDA device can use every pointer, and says which.
pub(crate) fn require_device(pointers: &[(&str, usize)]) -> Result<i32> {
    let placed = place(pointers)?;
    if placed.iter().any(|&(_, memory)| memory == Memory::Host) {
        // "There is no CUDA here" explains more than "this is host memory".
        let driver = Driver::get()?;
        driver.init()?;
        driver.device_count()?;
    }
    check_device(&placed)
}

/// Checks that a device can use a pointer.
pub(crate) fn require_on(ordinal: i32, name: &str, address: usize) -> Result<()> {
    match place(&[(name, address)])?[..] {
        [(_, Memory::Managed(_))] => Ok(()),
        [(_, Memory::Device(own))] if own == ordinal => Ok(()),
        ref placed => {
            Err(Error::Device(format!("{name} is {}, but the images are on CUDA device {ordinal}", placed[0].1)))
        }
    }
}

/// Asks the driver where each pointer lives.
fn place<'a>(pointers: &[(&'a str, usize)]) -> Result<Vec<Placed<'a>>> {
    let Some(driver) = Driver::if_loaded() else {
        return Ok(pointers.iter().map(|&(name, _)| (name, Memory::Host)).collect());
    };
    pointers
        .iter()
        .map(|&(name, address)| {
            let known = match &driver {
                Ok(driver) => driver.memory_at(address),
                Err(error) => Err(error.clone()),
            };
            Ok((name, classify(name, address, known)?))
        })
        .collect()
}

/// Where a pointer lives, from the driver's answer. What the driver does not know, or cannot be asked about (not
/// initialised, too old, a forked child), is host memory, provided that it can be read: a stale device pointer, or one of
/// the parent process, would crash the CPU backend.
fn classify(name: &str, address: usize, known: Result<Option<KnownMemory>>) -> Result<Memory> {
    match known {
        Ok(Some(KnownMemory::PinnedHost)) => Ok(Memory::Host),
        Ok(Some(KnownMemory::Managed(ordinal))) => Ok(Memory::Managed(ordinal)),
        Ok(Some(KnownMemory::Device(ordinal))) => Ok(Memory::Device(ordinal)),
        Ok(None) | Err(Error::NoCuda(_)) if process::is_readable(address) => Ok(Memory::Host),
        Ok(None) => Err(Error::Device(format!(
            "{name} ({address:#x}) is neither memory that this process can read nor memory that the CUDA driver knows \
             (cuPointerGetAttributes)"
        ))),
        Err(error @ Error::NoCuda(_)) => {
            Err(explained(error, &format!("{name} ({address:#x}) is not memory that this process can read")))
        }
        Err(error) => Err(error),
    }
}

fn common_location(placed: &[Placed<'_>]) -> Result<Location> {
    if placed.iter().any(|&(_, memory)| matches!(memory, Memory::Device(_))) {
        return check_device(placed).map(Location::Device);
    }
    if placed.iter().any(|&(_, memory)| memory == Memory::Host) {
        return Ok(Location::Host);
    }
    check_device(placed).map(Location::Device)
}

fn check_host(placed: &[Placed<'_>]) -> Result<()> {
    match placed.iter().find(|(_, memory)| matches!(memory, Memory::Device(_))) {
        Some((name, memory)) => {
            Err(Error::Device(format!("{name} is {memory}; the CPU was asked for, which needs host memory")))
        }
        None => Ok(()),
    }
}

fn check_device(placed: &[Placed<'_>]) -> Result<i32> {
    let on_device = placed.iter().find(|(_, memory)| matches!(memory, Memory::Device(_)));
    let Some(&(first, Memory::Device(ordinal))) = on_device else {
        // Managed memory alone goes to the device that was current when the first of it was made.
        return match placed.iter().find(|&&(_, memory)| memory == Memory::Host).or(placed.first()) {
            Some(&(_, Memory::Managed(ordinal))) => Ok(ordinal),
            Some((name, memory)) => {
                Err(Error::Device(format!("{name} is {memory}; CUDA was asked for, which needs device memory")))
            }
            None => Err(Error::Internal("no pointers to place".to_owned())),
        };
    };
    match placed.iter().find(|&&(_, memory)| !matches!(memory, Memory::Managed(_)) && memory != Memory::Device(ordinal))
    {
        Some((name, memory)) => Err(Error::Device(format!(
            "{first} is on CUDA device {ordinal}, but {name} is {memory}; the pointers of a call must be on one device"
        ))),
        None => Ok(ordinal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Memory::{Device, Host, Managed};

    fn message<T: fmt::Debug>(outcome: Result<T>) -> String {
        match outcome {
            Err(Error::Device(text)) => text,
            other => panic!("expected a device error, got {other:?}"),
        }
    }

    #[test]
    fn work_goes_where_the_pointers_live() {
        let location =
            |memory: &[Memory]| common_location(&memory.iter().map(|&memory| ("p", memory)).collect::<Vec<_>>());
        assert_eq!(location(&[Host, Host]), Ok(Location::Host));
        assert_eq!(location(&[Device(1), Device(1)]), Ok(Location::Device(1)));
        assert_eq!(location(&[Managed(0), Device(1), Managed(2)]), Ok(Location::Device(1)));
        assert_eq!(location(&[Managed(1), Host]), Ok(Location::Host));
        assert_eq!(location(&[Managed(1), Managed(0)]), Ok(Location::Device(1)));
    }

    #[test]
    fn disagreement_names_both_arguments_and_their_places() {
        assert_eq!(
            message(common_location(&[("img1", Host), ("img2", Device(0))])),
            "img2 is on CUDA device 0, but img1 is in host memory; the pointers of a call must be on one device"
        );
        assert_eq!(
            message(common_location(&[("img1", Device(0)), ("img2", Managed(1)), ("ssim", Device(1))])),
            "img1 is on CUDA device 0, but ssim is on CUDA device 1; the pointers of a call must be on one device"
        );
    }

    #[test]
    fn the_cpu_takes_what_it_can_read() {
        assert_eq!(check_host(&[("img1", Host), ("img2", Managed(0))]), Ok(()));
        assert_eq!(
            message(check_host(&[("img1", Host), ("img2", Device(0))])),
            "img2 is on CUDA device 0; the CPU was asked for, which needs host memory"
        );
    }

    #[test]
    fn cuda_takes_no_host_memory() {
        assert_eq!(check_device(&[("img1", Managed(1)), ("img2", Managed(0))]), Ok(1));
        assert_eq!(check_device(&[("img1", Managed(1)), ("img2", Device(0))]), Ok(0));
        for placed in [[("img1", Host), ("img2", Host)], [("img2", Managed(0)), ("img1", Host)]] {
            assert_eq!(
                message(check_device(&placed)),
                "img1 is in host memory; CUDA was asked for, which needs device memory"
            );
        }
        assert!(message(check_device(&[("img1", Device(0)), ("img2", Host)])).contains("img2 is in host memory"));
    }

    #[test]
    fn what_the_driver_does_not_know_is_host_memory_if_it_can_be_read() {
        let byte = 0u8;
        let readable = (&raw const byte).addr();
        let absent = || Err(Error::NoCuda("absent".to_owned()));
        assert_eq!(classify("p", readable, Ok(None)), Ok(Host));
        assert_eq!(classify("p", readable, absent()), Ok(Host));
        assert!(message(classify("img1", 8, Ok(None))).starts_with("img1 (0x8) is neither memory"));
        let text = classify("img1", 8, absent()).expect_err("page 0 is not readable").to_string();
        assert_eq!(text, "absent; img1 (0x8) is not memory that this process can read");
    }

    #[test]
    fn what_the_driver_knows_or_why_it_failed_is_taken_as_it_is() {
        let byte = 0u8;
        let readable = (&raw const byte).addr();
        assert_eq!(classify("p", 8, Ok(Some(KnownMemory::PinnedHost))), Ok(Host));
        assert_eq!(classify("p", readable, Ok(Some(KnownMemory::Managed(2)))), Ok(Managed(2)));
        assert_eq!(classify("p", readable, Ok(Some(KnownMemory::Device(3)))), Ok(Device(3)));
        let fault = Error::Cuda("fault".to_owned());
        assert_eq!(classify("p", readable, Err(fault.clone())), Err(fault));
    }
}
