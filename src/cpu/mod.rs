//! The CPU backend.
//!
//! `march` computes a unit of `grid` in cache, with `gradient` for the way back; `tile`, its filters `default_taps` and
//! `any_taps`, and `pixel` are its arithmetic, generic over the vectors of `simd`; `convert` knows the other dtypes; `rung`
//! compiles it for each instruction set; `threads` shares the units. Nothing as large as an image is allocated: less than
//! half a MiB per thread, whatever the size. `double` computes images of f64, and `general`, with up to 2 MiB per thread,
//! what those two are not made for ([`Path`]).
//!
//! What becomes of NaN, infinity and other hard inputs is a table in the README, which holds for CUDA as well.

#![allow(clippy::needless_range_loop, reason = "the loops over lanes, taps and planes index several arrays at once")]

mod any_taps;
mod call;
mod convert;
mod default_taps;
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
use crate::window::MIN_SIGMA;
use rung::Rung;
use tile::MAX_RADIUS;

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

/// What computes a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// `march`, in f32: windows that two tiles hold and f32 suffices for, masks that do not change windows, no shards.
    March,
    /// `double`: windows of the default size in f64, without mask, shard or loss.
    Double,
    /// `general`, in f64: everything.
    General,
}

impl Path {
    fn of(problem: &Problem) -> Path {
        let normalized = problem.mask.is_some_and(|mask| mask.mode == MaskMode::Normalized);
        match problem.precision() {
            Dtype::F64 if problem.is_plain() => Path::Double,
            Dtype::F64 => Path::General,
            _ if normalized || problem.window.radius() > MAX_RADIUS => Path::General,
            // In f32 the gradients of three taps were off by 2.2e-6 of their norm.
            _ if problem.window.is_narrower(MIN_SIGMA) || problem.window.size() == 3 => Path::General,
            // However a shard is cut, f64 gives the bits of the whole.
            _ if problem.shard.is_some() => Path::General,
            _ => Path::March,
        }
    }
}

pub(crate) fn forward(
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: ValuesMut<'_>,
    saved: Option<ValuesMut<'_>>,
) -> Result<()> {
    let rung = Rung::current()?;
    let saved = saved.filter(|_| problem.keeps_partials());
    match Path::of(problem) {
        Path::March => call::forward(rung, problem, inputs, ssim.f32()?, saved.map(ValuesMut::f32).transpose()?),
        Path::Double => {
            let saved = saved.map(ValuesMut::f64).transpose()?;
            double::forward(rung, problem, [inputs.img1, inputs.img2], ssim.f64()?, saved)
        }
        Path::General => general::forward(rung, problem, inputs, ssim),
    }
}

pub(crate) fn backward(
    problem: &Problem,
    inputs: Inputs<'_>,
    saved: Option<Values<'_>>,
    grad_ssim: Option<Values<'_>>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let rung = Rung::current()?;
    let saved = saved.filter(|_| problem.keeps_partials());
    match Path::of(problem) {
        Path::March => {
            let (saved, grad_ssim) = (saved.map(Values::f32).transpose()?, grad_ssim.map(Values::f32).transpose()?);
            call::backward(rung, problem, inputs, saved, grad_ssim, gradients)
        }
        Path::Double => {
            let (saved, grad_ssim) = (saved.map(Values::f64).transpose()?, grad_ssim.map(Values::f64).transpose()?);
            double::backward(rung, problem, [inputs.img1, inputs.img2], saved, grad_ssim, gradients)
        }
        Path::General => general::backward(rung, problem, inputs, grad_ssim, gradients),
    }
}

pub(crate) fn value_and_grad(
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: ValuesMut<'_>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let rung = Rung::current()?;
    match Path::of(problem) {
        Path::March => call::value_and_grad(rung, problem, inputs, ssim.f32()?, gradients),
        Path::Double => double::value_and_grad(rung, problem, [inputs.img1, inputs.img2], ssim.f64()?, gradients),
        Path::General => general::value_and_grad(rung, problem, inputs, ssim, gradients),
    }
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
    match Path::of(problem) {
        Path::March => call::loss(rung, problem, inputs, terms, values.f32()?, gradients),
        Path::Double | Path::General => general::loss(rung, problem, inputs, terms, values, gradients),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::mask::{MaskElement, MaskOptions};
    use crate::options::Options;
    use crate::problem::Shape;
    use crate::shard::Shard;
    use crate::window::WindowShape;

    fn path(options: Options) -> Path {
        Path::of(&Problem::new(Shape::new(1, 2, 60, 70).expect("a shape"), &options).expect("valid options"))
    }

    #[test]
    fn f32_marches_wherever_it_can() {
        let layout = Layout::DENSE;
        for window_size in (3..=33).step_by(2) {
            let wide = if matches!(window_size, 5..=17) { Path::March } else { Path::General };
            for window in [WindowShape::Gaussian, WindowShape::Uniform] {
                let options = Options { window, window_size, ..Options::default() };
                assert_eq!(path(options.clone()), wide, "{window:?} {window_size}");
                for (mode, want) in [
                    (MaskMode::WeightedMean, wide),
                    (MaskMode::MultiplyInputs, wide),
                    (MaskMode::Normalized, Path::General),
                ] {
                    let mask = Some(MaskOptions { mode, element: MaskElement::U8, layout });
                    assert_eq!(path(Options { mask, ..options.clone() }), want, "{mode:?} {window:?} {window_size}");
                }
            }
        }
        for dtype in [Dtype::F16, Dtype::Bf16, Dtype::U8] {
            let img1 = Layout::DENSE.with_dtype(dtype);
            assert_eq!(path(Options { img1, window_size: 7, ..Options::default() }), Path::March);
        }
    }

    #[test]
    fn narrow_windows_are_computed_in_f64() {
        for window_size in [5, 11, 17] {
            for (sigma, want) in [(0.79, Path::General), (0.8, Path::March)] {
                assert_eq!(path(Options { sigma, window_size, ..Options::default() }), want);
            }
        }
    }

    #[test]
    fn shards_are_computed_in_f64() {
        let shard = Some(Shard { rows_above: 20, rows_below: 20, height: 200, divisor: None });
        for window_size in [3, 11, 17] {
            assert_eq!(path(Options { shard, window_size, ..Options::default() }), Path::General);
        }
    }

    #[test]
    fn f64_is_computed_in_f64() {
        let layout = Layout::DENSE.with_dtype(Dtype::F64);
        let options = Options { img1: layout, img2: layout, ..Options::default() };
        assert_eq!(path(options.clone()), Path::Double);
        assert_eq!(path(Options { window_size: 7, ..options }), Path::General);
    }
}
