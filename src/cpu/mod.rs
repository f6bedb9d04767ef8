//! The CPU backend.
//!
//! `march` computes a unit of `grid` in cache; `tile` and `pixel` are its arithmetic, generic over the vectors of `simd`;
//! `rung` compiles it for each instruction set; `threads` shares the units. Nothing as large as an image is allocated:
//! about half a MiB per thread, whatever the size.
//!
//! | input | result |
//! |---|---|
//! | NaN or infinity in a pixel | NaN in exactly the map pixels within 5 rows and columns, and in exactly the gradient elements within 10 (where their windows reach such map pixels); the mean is NaN |
//! | identical images | every map pixel is exactly 1 |
//! | constant images | variances are exactly 0 inside; no division by zero, because C1 and C2 are positive |
//! | any data range whose reciprocal is a normal f32 | as accurate as range 1: pixels are scaled first |
//! | pixels far outside of the data range | accuracy is relative to the largest pixels; above 1e9 ranges products overflow, and the map has NaN there |
//! | subnormal pixels | computed with, never flushed |
//! | image smaller than the window | `same`: padded with zeros; `valid`: refused before any work |

#![allow(clippy::needless_range_loop, reason = "the loops over lanes, taps and planes index several arrays at once")]

mod call;
mod grid;
mod input;
mod march;
mod pixel;
mod rung;
mod scratch;
mod simd;
pub(crate) mod threads;
mod tile;

use crate::layout::{Sink, Source};
use crate::problem::Problem;
use crate::status::Result;
use rung::Rung;

/// The instructions in use, for bug reports.
pub(crate) fn instruction_set() -> &'static str {
    Rung::current().map_or("none (FSSIM_CPU names instructions that this processor does not offer)", Rung::name)
}

pub(crate) fn forward(
    problem: &Problem,
    img1: Source<'_>,
    img2: Source<'_>,
    ssim: &mut [f32],
    saved: Option<&mut [f32]>,
) -> Result<()> {
    call::forward(Rung::current()?, problem, img1, img2, ssim, saved)
}

pub(crate) fn backward(
    problem: &Problem,
    img1: Source<'_>,
    img2: Source<'_>,
    saved: Option<&[f32]>,
    grad_ssim: Option<&[f32]>,
    grad_img1: Option<Sink<'_>>,
    grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    call::backward(Rung::current()?, problem, img1, img2, saved, grad_ssim, grad_img1, grad_img2)
}

pub(crate) fn value_and_grad(
    problem: &Problem,
    img1: Source<'_>,
    img2: Source<'_>,
    ssim: &mut [f32],
    grad_img1: Option<Sink<'_>>,
    grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    call::value_and_grad(Rung::current()?, problem, img1, img2, ssim, grad_img1, grad_img2)
}
