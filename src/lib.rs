//! SSIM, its gradient and the losses built on it, fused: CUDA kernels where there is a device, a SIMD CPU backend
//! everywhere.
//!
//! The crate is first of all a C library (`include/fused_ssim.h`); [`forward`], [`backward`], [`value_and_grad`] and
//! [`fn@loss`] offer the CPU backend to Rust over slices.
//!
//! The way of a call: `capi` (raw pointers, the only place) or `api` (slices) -> [`Problem`] (checked) -> `cpu` or
//! `cuda`. Only `cuda::driver` calls the driver.

mod api;
mod capi;
mod cpu;
mod cuda;
mod layout;
mod loss;
mod mask;
mod options;
mod pixels;
mod problem;
mod shard;
mod status;
mod units;
mod window;

#[allow(dead_code, reason = "a constant may matter to the kernels alone")]
mod geometry {
    include!(concat!(env!("OUT_DIR"), "/geometry.rs"));
}

pub use api::{
    backward, backward_pixels, forward, forward_pixels, instruction_set, loss, loss_pixels, num_threads,
    set_num_threads, value_and_grad, value_and_grad_pixels,
};
pub use layout::{Dtype, Layout, Strides};
pub use loss::{LOSS_PARTS, Loss, PixelLoss};
pub use mask::{MaskElement, MaskMode, MaskOptions, MaskSpec};
pub use options::{Options, Output, Padding, Reduction, SavedFor};
pub use pixels::{Pixels, PixelsMut, Values, ValuesMut};
pub use problem::{Constants, Problem, Region, Shape};
pub use shard::Shard;
pub use status::{Error, Result};
pub use window::{MAX_WINDOW_TAPS, WINDOW_TAPS, Window, WindowShape};
