//! The CPU backend for Rust callers, over slices.

use crate::cpu::{self, Inputs};
use crate::layout::Sink;
use crate::loss::Loss;
use crate::pixels::{Pixels, PixelsMut, Values, ValuesMut};
use crate::problem::Problem;
use crate::status::{Error, Result};

/// Sets how many threads a CPU call may use; 0: the default.
pub fn set_num_threads(threads: usize) {
    cpu::threads::set_num_threads(threads);
}

/// How many threads a CPU call may use.
pub fn num_threads() -> usize {
    cpu::threads::num_threads()
}

/// Which instructions of the processor the calls use: a name for reports, such as "avx2". The environment variable
/// FSSIM_CPU (portable, avx2 or avx512), read at the first call, chooses other than the best; a name that this processor
/// does not offer makes every call on the CPU an [`Error::Option`].
pub fn instruction_set() -> &'static str {
    cpu::instruction_set()
}

/// Computes SSIM into `ssim` ([`Problem::values`] floats) and, if given, what [`backward`] needs into `saved`
/// ([`Problem::saved_elements`] floats). For images of other dtypes than f32: [`forward_pixels`].
pub fn forward(
    problem: &Problem,
    img1: &[f32],
    img2: &[f32],
    ssim: &mut [f32],
    saved: Option<&mut [f32]>,
) -> Result<()> {
    forward_pixels(problem, img1.into(), img2.into(), ssim.into(), saved.map(Into::into))
}

/// Computes the gradient of SSIM with respect to the images whose gradient is given. `saved`: what [`forward`] left, or
/// recompute; `grad_ssim`: the upstream gradient, or ones.
pub fn backward(
    problem: &Problem,
    img1: &[f32],
    img2: &[f32],
    saved: Option<&[f32]>,
    grad_ssim: Option<&[f32]>,
    grad_img1: Option<&mut [f32]>,
    grad_img2: Option<&mut [f32]>,
) -> Result<()> {
    backward_pixels(
        problem,
        img1.into(),
        img2.into(),
        saved.map(Into::into),
        grad_ssim.map(Into::into),
        grad_img1.map(Into::into),
        grad_img2.map(Into::into),
    )
}

/// Computes SSIM and the gradients of its value (for a map: of the map's sum) in one pass.
pub fn value_and_grad(
    problem: &Problem,
    img1: &[f32],
    img2: &[f32],
    ssim: &mut [f32],
    grad_img1: Option<&mut [f32]>,
    grad_img2: Option<&mut [f32]>,
) -> Result<()> {
    let (grad_img1, grad_img2) = (grad_img1.map(Into::into), grad_img2.map(Into::into));
    value_and_grad_pixels(problem, img1.into(), img2.into(), ssim.into(), grad_img1, grad_img2)
}

/// [`forward`] for images of any dtype. Each is of the dtype of its layout; `ssim` and `saved` are of
/// [`Problem::precision`].
pub fn forward_pixels(
    problem: &Problem,
    img1: Pixels<'_>,
    img2: Pixels<'_>,
    ssim: ValuesMut<'_>,
    saved: Option<ValuesMut<'_>>,
) -> Result<()> {
    require_length("ssim", ssim.len(), problem.values())?;
    if let Some(saved) = &saved {
        require_length("saved", saved.len(), problem.saved_elements())?;
    }
    let inputs = inputs(problem, img1, img2)?;
    cpu::forward(problem, inputs, ssim, saved)
}

/// [`backward`] for images and gradients of any dtype. Each is of the dtype of its layout; `saved` and `grad_ssim` are of
/// [`Problem::precision`]. A gradient is that with respect to the elements as they are stored: where they are multiplied
/// by a scale on load, so is the gradient.
pub fn backward_pixels(
    problem: &Problem,
    img1: Pixels<'_>,
    img2: Pixels<'_>,
    saved: Option<Values<'_>>,
    grad_ssim: Option<Values<'_>>,
    grad_img1: Option<PixelsMut<'_>>,
    grad_img2: Option<PixelsMut<'_>>,
) -> Result<()> {
    if let Some(saved) = saved {
        require_length("saved", saved.len(), problem.saved_elements())?;
        problem.saved_for.check([grad_img1.is_some(), grad_img2.is_some()])?;
    }
    if let Some(grad_ssim) = grad_ssim {
        require_length("grad_ssim", grad_ssim.len(), problem.values())?;
    }
    let inputs = inputs(problem, img1, img2)?;
    let gradients = sinks(problem, grad_img1, grad_img2)?;
    cpu::backward(problem, inputs, saved, grad_ssim, gradients)
}

/// [`value_and_grad`] for images and gradients of any dtype, as in [`forward_pixels`] and [`backward_pixels`].
pub fn value_and_grad_pixels(
    problem: &Problem,
    img1: Pixels<'_>,
    img2: Pixels<'_>,
    ssim: ValuesMut<'_>,
    grad_img1: Option<PixelsMut<'_>>,
    grad_img2: Option<PixelsMut<'_>>,
) -> Result<()> {
    require_length("ssim", ssim.len(), problem.values())?;
    let inputs = inputs(problem, img1, img2)?;
    let gradients = sinks(problem, grad_img1, grad_img2)?;
    cpu::value_and_grad(problem, inputs, ssim, gradients)
}

/// Computes a loss and its gradients in one pass. `values` receives [`LOSS_PARTS`](crate::LOSS_PARTS) times
/// [`Problem::values`] floats: every loss, then every pixel loss, then every dissimilarity.
pub fn loss(
    problem: &Problem,
    img1: &[f32],
    img2: &[f32],
    terms: Loss,
    values: &mut [f32],
    grad_img1: Option<&mut [f32]>,
    grad_img2: Option<&mut [f32]>,
) -> Result<()> {
    loss_pixels(
        problem,
        img1.into(),
        img2.into(),
        terms,
        values.into(),
        grad_img1.map(Into::into),
        grad_img2.map(Into::into),
    )
}

/// [`loss`] for images and gradients of any dtype, as in [`forward_pixels`] and [`backward_pixels`].
pub fn loss_pixels(
    problem: &Problem,
    img1: Pixels<'_>,
    img2: Pixels<'_>,
    terms: Loss,
    values: ValuesMut<'_>,
    grad_img1: Option<PixelsMut<'_>>,
    grad_img2: Option<PixelsMut<'_>>,
) -> Result<()> {
    require_length("values", values.len(), Loss::values(problem))?;
    let inputs = inputs(problem, img1, img2)?;
    let gradients = match (&grad_img1, &grad_img2) {
        (None, None) => [None, None],
        _ => sinks(problem, grad_img1, grad_img2)?,
    };
    cpu::loss(problem, inputs, terms, values, gradients)
}

fn inputs<'a>(problem: &Problem, img1: Pixels<'a>, img2: Pixels<'a>) -> Result<Inputs<'a>> {
    if problem.mask.is_some() {
        return Err(Error::Unsupported("a mask is not supported by the Rust API of this version".to_owned()));
    }
    let [first, second] = problem.dtypes;
    Ok(Inputs {
        img1: img1.source("img1", first, problem.img1)?,
        img2: img2.source("img2", second, problem.img2)?,
        mask: None,
    })
}

fn sinks<'a>(
    problem: &Problem,
    grad_img1: Option<PixelsMut<'a>>,
    grad_img2: Option<PixelsMut<'a>>,
) -> Result<[Option<Sink<'a>>; 2]> {
    if grad_img1.is_none() && grad_img2.is_none() {
        return Err(Error::NullPointer("grad_img1 and grad_img2: at least one is required".to_owned()));
    }
    problem.check_grad_dtypes([grad_img1.is_some(), grad_img2.is_some()])?;
    let [first, second] = problem.grad_dtypes;
    Ok([
        grad_img1.map(|data| data.sink("grad_img1", first, problem.grad_img1)).transpose()?,
        grad_img2.map(|data| data.sink("grad_img2", second, problem.grad_img2)).transpose()?,
    ])
}

fn require_length(name: &str, length: usize, needed: usize) -> Result<()> {
    if length != needed {
        return Err(Error::Shape(format!("{name} holds {length} elements; this problem needs {needed}")));
    }
    Ok(())
}
