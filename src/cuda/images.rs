//! The kernels as the driver takes them: PTX, which it compiles for any GPU, and in a library built with the feature
//! `machine-code` machine code for some, which it only copies there. build/kernels.rs makes both.

use std::ffi::{CStr, OsStr};
use std::fmt;
use std::sync::OnceLock;

use miniz_oxide::inflate::decompress_to_vec;

use super::kernel::Kernel;
use crate::status::{Error, Result};

/// A kernel's images: each holds this kernel alone.
struct Images {
    kernel: &'static CStr,
    /// Deflated; ends in NUL.
    ptx: &'static [u8],
    /// Deflated, for each of ARCHITECTURES; None where the kernel needs a newer GPU.
    machine_code: [Option<&'static [u8]>; ARCHITECTURES.len()],
}

// ARCHITECTURES, (major, minor) in ascending order, and IMAGES.
include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Parts of GPUs' families that are not desktop or server GPUs: these run machine code of their own number alone.
const EMBEDDED: [(i32, i32); 2] = [(8, 7), (10, 1)];

/// What the driver is given: PTX that ends in NUL, or an ELF file as ptxas wrote it.
pub(super) struct Code(Vec<u8>);

impl Code {
    pub(super) fn as_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// Which of its images a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Ptx,
    /// Machine code for this one of ARCHITECTURES.
    Machine(usize),
}

impl Choice {
    /// How many there are.
    pub(super) const COUNT: usize = 1 + ARCHITECTURES.len();

    /// The choice for a device of this compute capability: what the environment variable FSSIM_CUDA_IMAGE asks for, so that
    /// tests reach every image, or else the best one. The variable is read at the first call.
    pub(super) fn of(capability: (i32, i32)) -> Result<Choice> {
        static FORCED: OnceLock<Result<Option<Choice>>> = OnceLock::new();
        let forced = FORCED.get_or_init(|| Choice::forced(std::env::var_os("FSSIM_CUDA_IMAGE").as_deref())).clone()?;
        let (major, minor) = capability;
        match forced {
            Some(choice) if !choice.runs_on(capability) => Err(Error::Option(format!(
                "the environment variable FSSIM_CUDA_IMAGE asks for {choice}, which does not run on a device of compute \
                 capability {major}.{minor}"
            ))),
            Some(choice) => Ok(choice),
            None => Ok(newest(&ARCHITECTURES, capability).map_or(Choice::Ptx, Choice::Machine)),
        }
    }

    fn forced(name: Option<&OsStr>) -> Result<Option<Choice>> {
        let Some(name) = name else { return Ok(None) };
        let mut choices = std::iter::once(Choice::Ptx).chain((0..ARCHITECTURES.len()).map(Choice::Machine));
        let names: Vec<String> = choices.clone().map(Choice::name).collect();
        choices.find(|choice| name == choice.name().as_str()).map(Some).ok_or_else(|| {
            Error::Option(format!(
                "the environment variable FSSIM_CUDA_IMAGE is {name:?}; in this library it may be {}",
                names.join(", ")
            ))
        })
    }

    fn runs_on(self, capability: (i32, i32)) -> bool {
        match self {
            Choice::Ptx => true,
            Choice::Machine(index) => runs(ARCHITECTURES[index], capability),
        }
    }

    /// A number below COUNT.
    pub(super) fn index(self) -> usize {
        match self {
            Choice::Ptx => 0,
            Choice::Machine(index) => 1 + index,
        }
    }

    /// The word for it in FSSIM_CUDA_IMAGE.
    fn name(self) -> String {
        match self {
            Choice::Ptx => "ptx".to_owned(),
            Choice::Machine(index) => {
                let (major, minor) = ARCHITECTURES[index];
                format!("sm_{major}{minor}")
            }
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Ptx => formatter.write_str("PTX compiled by the driver"),
            Choice::Machine(_) => write!(formatter, "machine code for {}", self.name()),
        }
    }
}

/// Whether machine code for an architecture runs on a device: one of this version, or of a later minor one.
fn runs(architecture: (i32, i32), capability: (i32, i32)) -> bool {
    let (major, minor) = architecture;
    architecture == capability || major == capability.0 && minor < capability.1 && !EMBEDDED.contains(&capability)
}

/// The place of the newest architecture whose machine code runs on a device.
fn newest(architectures: &[(i32, i32)], capability: (i32, i32)) -> Option<usize> {
    architectures.iter().rposition(|&architecture| runs(architecture, capability))
}

/// What to load for a kernel.
pub(super) fn code(kernel: Kernel, choice: Choice) -> Result<Code> {
    let name = kernel.name();
    let Some(images) = IMAGES.iter().find(|images| images.kernel == name) else {
        return Err(Error::Internal(format!("no kernel {name:?} is part of this library")));
    };
    let deflated = match choice {
        Choice::Machine(index) => images.machine_code[index].unwrap_or(images.ptx),
        Choice::Ptx => images.ptx,
    };
    let code = decompress_to_vec(deflated);
    code.map(Code).map_err(|error| Error::Internal(format!("{choice} of the kernel {name:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_has_ptx_of_its_own() {
        assert_eq!(IMAGES.len(), Kernel::ALL.len(), "kernels that no call launches are part of the library");
        for &kernel in Kernel::ALL {
            let Code(ptx) = code(kernel, Choice::Ptx).unwrap();
            let ptx = CStr::from_bytes_with_nul(&ptx).expect("PTX ends in NUL and has no other");
            let (name, ptx) = (kernel.name().to_str().unwrap(), ptx.to_str().unwrap());
            assert_eq!(ptx.matches(".entry ").count(), 1, "{name}");
            assert!(ptx.contains(&format!(".entry {name}(")) && ptx.starts_with(".version 8.0\n.target sm_"), "{name}");
        }
    }

    #[test]
    fn a_device_gets_the_newest_machine_code_that_it_runs() {
        const ALL: [(i32, i32); 7] = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0), (12, 0)];
        let newest = |capability| newest(&ALL, capability).map(|index| ALL[index]);
        for architecture in ALL {
            assert_eq!(newest(architecture), Some(architecture));
        }
        assert_eq!(newest((8, 8)), Some((8, 6)));
        assert_eq!(newest((10, 3)), Some((10, 0)));
        assert_eq!(newest((12, 1)), Some((12, 0)));
        // Older than every one, embedded, of a major version without any.
        for capability in [(7, 0), (7, 2), (8, 7), (10, 1), (11, 0), (11, 1), (13, 0), (13, 1)] {
            assert_eq!(newest(capability), None, "{capability:?}");
        }
    }

    #[test]
    fn the_environment_forces_an_image_or_fails() {
        assert_eq!(Choice::forced(None), Ok(None));
        assert_eq!(Choice::forced(Some("ptx".as_ref())), Ok(Some(Choice::Ptx)));
        for (index, &(major, minor)) in ARCHITECTURES.iter().enumerate() {
            let name = format!("sm_{major}{minor}");
            assert_eq!(Choice::forced(Some(name.as_ref())), Ok(Some(Choice::Machine(index))));
        }
        let Err(Error::Option(text)) = Choice::forced(Some("sm_70".as_ref())) else { panic!("sm_70 is no image") };
        assert!(text.contains("FSSIM_CUDA_IMAGE") && text.contains("sm_70") && text.contains("ptx"), "{text}");
    }

    #[test]
    fn choices_are_numbered() {
        assert_eq!((Choice::Ptx.index(), Choice::COUNT), (0, 1 + ARCHITECTURES.len()));
        assert!((0..ARCHITECTURES.len()).all(|index| Choice::Machine(index).index() == 1 + index));
    }
}
