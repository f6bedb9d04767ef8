//! The CPU backend.
//!
//! `march` computes a unit of `grid` in cache, with `gradient` for the way back; `tile` and `pixel` are its arithmetic,
//! generic over the vectors of `simd`; `convert` knows the other dtypes; `rung` compiles it for each instruction set;
//! `threads` shares the units. Nothing as large as an image is allocated: less than half a MiB per thread, whatever the
//! size. `double` computes images of f64, and `general`, with up to 2 MiB per thread, what those two are not made for:
//! windows of other sizes, other masks than weights of the mean, row sharding, losses and masks of f64.
//!
//! What becomes of NaN, infinity and other hard inputs is a table in the README, which holds for CUDA as well.

#![allow(clippy::needless_range_loop, reason = "the loops over lanes, taps and planes index several arrays at once")]

mod call;
mod convert;
mod double;
mod general;
mod gradient;
mod grid;
mod input;
mod march;
mod pixel;
mod pixel_loss;
mod place;
mod prefetch;
mod rung;
mod scratch;
mod simd;
pub(crate) mod threads;
mod tile;
mod weights;

use crate::layout::{Dtype, Sink, Source};
use crate::loss::Loss;
use crate::mask::{Mask, MaskMode};
use crate::pixels::{Values, ValuesMut};
use crate::problem::Problem;
use crate::status::Result;
use rung::Rung;

/// The instructions in use, for bug reports.
pub(crate) fn instruction_set() -> &'static str {
    Rung::current().map_or("none (FSSIM_CPU names instructions that this processor does not offer)", Rung::name)
}

/// What a call reads. There is a mask if the problem has one.
#[derive(Clone, Copy)]
pub(crate) struct Inputs<'a> {
    pub(crate) img1: Source<'a>,
    pub(crate) img2: Source<'a>,
    pub(crate) mask: Option<Mask<'a>>,
}

/// Whether the march and `double` compute this: windows of the default size that f32 suffices for, no row sharding, and of masks, in f32, those
/// that weight the mean.
fn marches(problem: &Problem) -> bool {
    problem.is_plain()
        || problem.precision() == Dtype::F32
            && problem.has_tuned_window()
            && problem.shard.is_none()
            && problem.mask.is_some_and(|mask| mask.mode == MaskMode::WeightedMean)
}

pub(crate) fn forward(
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: ValuesMut<'_>,
    saved: Option<ValuesMut<'_>>,
) -> Result<()> {
    let rung = Rung::current()?;
    if !marches(problem) {
        return general::forward(rung, problem, inputs, ssim);
    }
    let saved = saved.filter(|_| problem.keeps_partials());
    if problem.precision() == Dtype::F64 {
        let saved = saved.map(ValuesMut::f64).transpose()?;
        return double::forward(rung, problem, [inputs.img1, inputs.img2], ssim.f64()?, saved);
    }
    call::forward(rung, problem, inputs, ssim.f32()?, saved.map(ValuesMut::f32).transpose()?)
}

pub(crate) fn backward(
    problem: &Problem,
    inputs: Inputs<'_>,
    saved: Option<Values<'_>>,
    grad_ssim: Option<Values<'_>>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let rung = Rung::current()?;
    if !marches(problem) {
        return general::backward(rung, problem, inputs, grad_ssim, gradients);
    }
    let saved = saved.filter(|_| problem.keeps_partials());
    if problem.precision() == Dtype::F64 {
        let (saved, grad_ssim) = (saved.map(Values::f64).transpose()?, grad_ssim.map(Values::f64).transpose()?);
        return double::backward(rung, problem, [inputs.img1, inputs.img2], saved, grad_ssim, gradients);
    }
    let (saved, grad_ssim) = (saved.map(Values::f32).transpose()?, grad_ssim.map(Values::f32).transpose()?);
    call::backward(rung, problem, inputs, saved, grad_ssim, gradients)
}

pub(crate) fn value_and_grad(
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: ValuesMut<'_>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let rung = Rung::current()?;
    if !marches(problem) {
        return general::value_and_grad(rung, problem, inputs, ssim, gradients);
    }
    if problem.precision() == Dtype::F64 {
        return double::value_and_grad(rung, problem, [inputs.img1, inputs.img2], ssim.f64()?, gradients);
    }
    call::value_and_grad(rung, problem, inputs, ssim.f32()?, gradients)
}

/// Computes a loss and its gradients; `values`: [loss, pixel loss, dissimilarity], each with a value for each group.
pub(crate) fn loss(
    problem: &Problem,
    inputs: Inputs<'_>,
    terms: Loss,
    values: ValuesMut<'_>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    terms.check(problem.reduction)?;
    let rung = Rung::current()?;
    if marches(problem) && problem.precision() == Dtype::F32 {
        return call::loss(rung, problem, inputs, terms, values.f32()?, gradients);
    }
    general::loss(rung, problem, inputs, terms, values, gradients)
}
