//! The CPU backend.
//!
//! `march` computes a unit of `grid` in cache, with `gradient` for the way back; `tile` and `pixel` are its arithmetic,
//! generic over the vectors of `simd`; `convert` knows the other dtypes; `rung` compiles it for each instruction set;
//! `threads` shares the units. `double` computes images of f64. Nothing as large as an image is allocated: less than half a MiB per thread, whatever the size.
//!
//! What becomes of NaN, infinity and other hard inputs is a table in the README, which holds for CUDA as well.

#![allow(clippy::needless_range_loop, reason = "the loops over lanes, taps and planes index several arrays at once")]

mod call;
mod convert;
mod double;
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

use crate::layout::{Dtype, Sink, Source};
use crate::pixels::{Values, ValuesMut};
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
    ssim: ValuesMut<'_>,
    saved: Option<ValuesMut<'_>>,
) -> Result<()> {
    let rung = Rung::current()?;
    if problem.precision() == Dtype::F64 {
        let saved = saved.map(ValuesMut::f64).transpose()?;
        return double::forward(rung, problem, [img1, img2], ssim.f64()?, saved);
    }
    call::forward(rung, problem, img1, img2, ssim.f32()?, saved.map(ValuesMut::f32).transpose()?)
}

pub(crate) fn backward(
    problem: &Problem,
    img1: Source<'_>,
    img2: Source<'_>,
    saved: Option<Values<'_>>,
    grad_ssim: Option<Values<'_>>,
    grad_img1: Option<Sink<'_>>,
    grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    let rung = Rung::current()?;
    if problem.precision() == Dtype::F64 {
        let (saved, grad_ssim) = (saved.map(Values::f64).transpose()?, grad_ssim.map(Values::f64).transpose()?);
        return double::backward(rung, problem, [img1, img2], saved, grad_ssim, [grad_img1, grad_img2]);
    }
    let (saved, grad_ssim) = (saved.map(Values::f32).transpose()?, grad_ssim.map(Values::f32).transpose()?);
    call::backward(rung, problem, img1, img2, saved, grad_ssim, grad_img1, grad_img2)
}

pub(crate) fn value_and_grad(
    problem: &Problem,
    img1: Source<'_>,
    img2: Source<'_>,
    ssim: ValuesMut<'_>,
    grad_img1: Option<Sink<'_>>,
    grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    let rung = Rung::current()?;
    if problem.precision() == Dtype::F64 {
        return double::value_and_grad(rung, problem, [img1, img2], ssim.f64()?, [grad_img1, grad_img2]);
    }
    call::value_and_grad(rung, problem, img1, img2, ssim.f32()?, grad_img1, grad_img2)
}
