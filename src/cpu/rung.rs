//! Which instructions the processor has, and the functions compiled for each.

use std::sync::OnceLock;

use super::any_taps::AnyTaps;
use super::default_taps::DefaultTaps;
use super::general;
use super::grid::Unit;
use super::input::{self, Images};
use super::march::{Job, Sums, march};
use super::scratch::{Input, Scratch};
use super::simd::{self, Vector};
use super::tile::{Taps, Tile};
use crate::status::{Error, Result};
use crate::window::WINDOW_TAPS;

/// One set of instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rung {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Rung {
    /// All that this build knows, slowest first.
    pub(super) const ALL: &'static [Rung] = &[
        Rung::Portable,
        #[cfg(target_arch = "x86_64")]
        Rung::Avx2,
        #[cfg(target_arch = "x86_64")]
        Rung::Avx512,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Rung::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Rung::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Rung::Avx512 => "avx512",
        }
    }

    /// Whether this processor has the instructions.
    pub(super) fn available(self) -> bool {
        match self {
            Rung::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Rung::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Rung::Avx512 => is_x86_feature_detected!("avx512f"),
        }
    }

    /// The one that calls use: the best available, or the one that the environment variable FSSIM_CPU names. Decided at
    /// the first call. A name that cannot be used is an error of every call, so that a test which asks for instructions
    /// never passes with others.
    pub(super) fn current() -> Result<Rung> {
        static CURRENT: OnceLock<Result<Rung>> = OnceLock::new();
        CURRENT.get_or_init(|| Rung::choose(std::env::var_os("FSSIM_CPU").as_deref())).clone()
    }

    fn choose(name: Option<&std::ffi::OsStr>) -> Result<Rung> {
        let available = || Rung::ALL.iter().copied().filter(|rung| rung.available());
        match name {
            None => Ok(available().next_back().unwrap_or(Rung::Portable)),
            Some(name) => available().find(|rung| name == rung.name()).ok_or_else(|| {
                let names: Vec<&str> = available().map(Rung::name).collect();
                Error::Option(format!(
                    "the environment variable FSSIM_CPU is {name:?}; this processor offers: {}",
                    names.join(", ")
                ))
            }),
        }
    }

    /// Computes one unit with these instructions; `planes`: gradients served by the partial planes, 0 to 2.
    ///
    /// # Safety
    /// The rung is available; no other thread works on the same unit of the same job.
    pub(super) unsafe fn run(self, planes: usize, job: &Job<'_>, unit: &Unit, scratch: &mut Scratch) -> Sums {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Rung::Portable => portable::run(planes, job, unit, scratch),
                #[cfg(target_arch = "x86_64")]
                Rung::Avx2 => avx2::run(planes, job, unit, scratch),
                #[cfg(target_arch = "x86_64")]
                Rung::Avx512 => avx512::run(planes, job, unit, scratch),
            }
        }
    }
}

impl Rung {
    /// Computes block `at` of a plane with these instructions.
    ///
    /// # Safety
    /// The rung is available; no other thread works on the same block of the same job.
    pub(super) unsafe fn run_block(
        self,
        job: &general::Job<'_>,
        plane: usize,
        at: (usize, usize),
        scratch: &mut general::Scratch,
    ) -> general::Sums {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Rung::Portable => portable::block(job, plane, at, scratch),
                #[cfg(target_arch = "x86_64")]
                Rung::Avx2 => avx2::block(job, plane, at, scratch),
                #[cfg(target_arch = "x86_64")]
                Rung::Avx512 => avx512::block(job, plane, at, scratch),
            }
        }
    }
}

/// What of the march is a function of its own: it would be compiled for every window and gradient, and is the same in all.
pub(super) trait Outlined: Vector {
    /// # Safety
    /// As [`input::load`].
    unsafe fn load_rows<const EXACT: bool>(images: &Images<'_>, window: input::Window, inputs: &mut [Input]);

    /// # Safety
    /// As [`input::differences`].
    unsafe fn differences(images: &Images<'_>, plane: (usize, usize), first: (isize, isize), tile: &mut Tile);
}

/// The march compiled for one vector type, and the blocks for its instructions, as a module.
macro_rules! rung {
    ($module:ident, $vector:ty $(, $feature:literal)*) => {
        mod $module {
            use super::*;

            /// # Safety
            /// As [`Rung::run`].
            pub(super) unsafe fn run(planes: usize, job: &Job<'_>, unit: &Unit, scratch: &mut Scratch) -> Sums {
                // SAFETY: the caller's promise.
                unsafe {
                    match (planes, job.problem.window.size() == WINDOW_TAPS) {
                        (0, true) => compiled::<DefaultTaps<$vector>, 0>(job, unit, scratch),
                        (1, true) => compiled::<DefaultTaps<$vector>, 1>(job, unit, scratch),
                        (_, true) => compiled::<DefaultTaps<$vector>, 2>(job, unit, scratch),
                        (0, false) => compiled::<AnyTaps, 0>(job, unit, scratch),
                        (1, false) => compiled::<AnyTaps, 1>(job, unit, scratch),
                        (_, false) => compiled::<AnyTaps, 2>(job, unit, scratch),
                    }
                }
            }

            $(#[target_feature(enable = $feature)])*
            unsafe fn compiled<T: Taps<$vector>, const M: usize>(
                job: &Job<'_>,
                unit: &Unit,
                scratch: &mut Scratch,
            ) -> Sums {
                // SAFETY: the caller's promise; the instructions are enabled here.
                unsafe { march::<$vector, T, M>(job, unit, scratch) }
            }

            impl Outlined for $vector {
                #[inline(always)]
                unsafe fn load_rows<const EXACT: bool>(images: &Images<'_>, window: input::Window, inputs: &mut [Input]) {
                    $(#[target_feature(enable = $feature)])*
                    #[inline(never)]
                    unsafe fn load_rows<const EXACT: bool>(images: &Images<'_>, window: input::Window, inputs: &mut [Input]) {
                        // SAFETY: the caller's promise.
                        unsafe { input::load::<$vector, EXACT>(images, window, inputs) }
                    }
                    // SAFETY: the caller's promise.
                    unsafe { load_rows::<EXACT>(images, window, inputs) }
                }

                #[inline(always)]
                unsafe fn differences(images: &Images<'_>, plane: (usize, usize), first: (isize, isize), tile: &mut Tile) {
                    $(#[target_feature(enable = $feature)])*
                    #[inline(never)]
                    unsafe fn differences(
                        images: &Images<'_>,
                        plane: (usize, usize),
                        first: (isize, isize),
                        tile: &mut Tile,
                    ) {
                        // SAFETY: the caller's promise.
                        unsafe { input::differences::<$vector>(images, plane, first, tile) }
                    }
                    // SAFETY: the caller's promise.
                    unsafe { differences(images, plane, first, tile) }
                }
            }

            /// # Safety
            /// As [`Rung::run_block`].
            $(#[target_feature(enable = $feature)])*
            pub(super) unsafe fn block(
                job: &general::Job<'_>,
                plane: usize,
                at: (usize, usize),
                scratch: &mut general::Scratch,
            ) -> general::Sums {
                // SAFETY: the caller's promise.
                unsafe { general::block(job, plane, at, scratch) }
            }
        }
    };
}

rung!(portable, simd::Portable);
#[cfg(target_arch = "x86_64")]
rung!(avx2, simd::Avx2, "avx2", "fma");
#[cfg(target_arch = "x86_64")]
rung!(avx512, simd::Avx512, "avx512f");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_forces_a_rung_or_fails() {
        assert_eq!(Rung::choose(Some("portable".as_ref())), Ok(Rung::Portable));
        for rung in Rung::ALL.iter().filter(|rung| rung.available()) {
            assert_eq!(Rung::choose(Some(rung.name().as_ref())), Ok(*rung));
            assert!(Rung::choose(None).is_ok());
        }
        let Err(Error::Option(text)) = Rung::choose(Some("sse9".as_ref())) else { panic!("sse9 is no rung") };
        assert!(text.contains("FSSIM_CPU") && text.contains("sse9") && text.contains("portable"), "{text}");
    }
}
