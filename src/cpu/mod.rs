//! The CPU backend.
//!
//! `march` computes a unit of `grid` in cache, with `gradient` for the way back; `tile` and `pixel` are its arithmetic,
//! generic over the vectors of `simd`; `rung` compiles it for each instruction set; `threads` shares the units. Nothing as
//! large as an image is allocated: less than half a MiB per thread, whatever the size.
//!
//! What becomes of NaN, infinity and other hard inputs is a table in the README, which holds for CUDA as well.

#![allow(clippy::needless_range_loop, reason = "the loops over lanes, taps and planes index several arrays at once")]

mod call;
mod gradient;
mod grid;
mod input;
mod march;
mod pixel;
mod place;
mod prefetch;
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
