//! The structs of `kernels/params.cuh`, field by field. The emulator's tests compare sizes and offsets.

use std::ffi::c_void;

use super::DevicePtr;
use crate::geometry::WINDOW_TAPS;

/// `Image` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Image {
    pub data: DevicePtr,
    pub stride_n: i64,
    pub stride_c: i64,
    pub stride_h: i64,
    pub stride_w: i64,
}

/// `StripParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StripParams {
    pub img1: Image,
    pub img2: Image,
    pub grad: Image,
    pub map: DevicePtr,
    pub saved_pu: DevicePtr,
    pub saved_pv: DevicePtr,
    pub saved_mean1: DevicePtr,
    pub saved_mean2: DevicePtr,
    pub upstream: DevicePtr,
    pub partials: DevicePtr,
    pub first_plane: i32,
    pub channels: i32,
    pub height: i32,
    pub width: i32,
    pub map_top: i32,
    pub map_left: i32,
    pub map_bottom: i32,
    pub map_right: i32,
    pub strips: i32,
    pub chunks: i32,
    pub chunk_rows: i32,
    pub saved_pitch: i32,
    pub upstream_mode: i32,
    pub planes_per_group: i32,
    pub inv_range: f32,
    pub two_c1: f32,
    pub two_c2: f32,
    pub grad_scale: f32,
    pub taps: [f32; WINDOW_TAPS as usize],
    pub tap_tails: [f32; WINDOW_TAPS as usize - 1],
}

/// `ReduceParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReduceParams {
    pub partials: DevicePtr,
    pub out: DevicePtr,
    pub per_group: i64,
    pub scale: f64,
}

/// The one argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a few of them live on the stack for the length of a call")]
pub(crate) enum Params {
    Strip(StripParams),
    Reduce(ReduceParams),
}

impl Params {
    /// Where the driver finds the argument.
    pub(crate) fn as_ptr(&self) -> *const c_void {
        match self {
            Params::Strip(params) => (&raw const *params).cast(),
            Params::Reduce(params) => (&raw const *params).cast(),
        }
    }
}
