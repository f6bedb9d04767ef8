//! The CPU backend for Rust callers, over slices.

use crate::cpu;
use crate::layout::{Sink, Source};
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
/// ([`Problem::saved_elements`] floats).
pub fn forward(
    problem: &Problem,
    img1: &[f32],
    img2: &[f32],
    ssim: &mut [f32],
    saved: Option<&mut [f32]>,
) -> Result<()> {
    require_length("ssim", ssim.len(), problem.values())?;
    if let Some(saved) = &saved {
        require_length("saved", saved.len(), problem.saved_elements())?;
    }
    let (img1, img2) = sources(problem, img1, img2)?;
    cpu::forward(problem, img1, img2, ssim, saved)
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
    if let Some(saved) = saved {
        require_length("saved", saved.len(), problem.saved_elements())?;
        if (grad_img1.is_some() && !problem.saved_for.img1) || (grad_img2.is_some() && !problem.saved_for.img2) {
            return Err(Error::Option("saved_for does not include a gradient that is asked for".to_owned()));
        }
    }
    if let Some(grad_ssim) = grad_ssim {
        require_length("grad_ssim", grad_ssim.len(), problem.values())?;
    }
    let (img1, img2) = sources(problem, img1, img2)?;
    let (grad_img1, grad_img2) = sinks(problem, grad_img1, grad_img2)?;
    cpu::backward(problem, img1, img2, saved, grad_ssim, grad_img1, grad_img2)
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
    require_length("ssim", ssim.len(), problem.values())?;
    let (img1, img2) = sources(problem, img1, img2)?;
    let (grad_img1, grad_img2) = sinks(problem, grad_img1, grad_img2)?;
    cpu::value_and_grad(problem, img1, img2, ssim, grad_img1, grad_img2)
}

fn sources<'a>(problem: &Problem, img1: &'a [f32], img2: &'a [f32]) -> Result<(Source<'a>, Source<'a>)> {
    Ok((Source::new("img1", img1, problem.img1)?, Source::new("img2", img2, problem.img2)?))
}

fn sinks<'a>(
    problem: &Problem,
    grad_img1: Option<&'a mut [f32]>,
    grad_img2: Option<&'a mut [f32]>,
) -> Result<(Option<Sink<'a>>, Option<Sink<'a>>)> {
    if grad_img1.is_none() && grad_img2.is_none() {
        return Err(Error::NullPointer("grad_img1 and grad_img2: at least one is required".to_owned()));
    }
    Ok((
        grad_img1.map(|data| Sink::new("grad_img1", data, problem.grad_img1)).transpose()?,
        grad_img2.map(|data| Sink::new("grad_img2", data, problem.grad_img2)).transpose()?,
    ))
}

fn require_length(name: &str, length: usize, needed: usize) -> Result<()> {
    if length != needed {
        return Err(Error::Shape(format!("{name} holds {length} floats; this problem needs {needed}")));
    }
    Ok(())
}
