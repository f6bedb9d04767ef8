//! The CPU backend.

pub(crate) mod threads;

use crate::layout::{Sink, Source};
use crate::problem::Problem;
use crate::status::{Error, Result};

pub(crate) fn instruction_set() -> &'static str {
    "portable"
}

pub(crate) fn forward(
    _problem: &Problem,
    _img1: Source<'_>,
    _img2: Source<'_>,
    _ssim: &mut [f32],
    _saved: Option<&mut [f32]>,
) -> Result<()> {
    Err(Error::Unsupported("the CPU backend".to_owned()))
}

pub(crate) fn backward(
    _problem: &Problem,
    _img1: Source<'_>,
    _img2: Source<'_>,
    _saved: Option<&[f32]>,
    _grad_ssim: Option<&[f32]>,
    _grad_img1: Option<Sink<'_>>,
    _grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    Err(Error::Unsupported("the CPU backend".to_owned()))
}

pub(crate) fn value_and_grad(
    _problem: &Problem,
    _img1: Source<'_>,
    _img2: Source<'_>,
    _ssim: &mut [f32],
    _grad_img1: Option<Sink<'_>>,
    _grad_img2: Option<Sink<'_>>,
) -> Result<()> {
    Err(Error::Unsupported("the CPU backend".to_owned()))
}
