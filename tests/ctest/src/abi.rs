// The ABI of fused-ssim, stated a second time by hand. ctest2 compares it with include/fused_ssim.h, which is generated
// from src/capi: a change of the ABI has to be made in both places, so none slips in by accident.
//
// Old syntax throughout (`extern "C"` without `unsafe`, no doc attributes), because ctest2's parser is old.

use libc::{c_char, c_void, size_t};

pub const FSSIM_VERSION_MAJOR: i32 = 0;
pub const FSSIM_VERSION_MINOR: i32 = 1;
pub const FSSIM_VERSION_PATCH: i32 = 0;
pub const FSSIM_VERSION: i32 = 100;

pub const FSSIM_DTYPE_F32: i32 = 0;
pub const FSSIM_DTYPE_F16: i32 = 1;
pub const FSSIM_DTYPE_BF16: i32 = 2;
pub const FSSIM_DTYPE_U8: i32 = 3;
pub const FSSIM_DTYPE_F64: i32 = 4;

pub const FSSIM_DEVICE_AUTO: i32 = 0;
pub const FSSIM_DEVICE_CPU: i32 = 1;
pub const FSSIM_DEVICE_CUDA: i32 = 2;

pub const FSSIM_PADDING_SAME: i32 = 0;
pub const FSSIM_PADDING_VALID: i32 = 1;

pub const FSSIM_REDUCTION_MEAN: i32 = 0;
pub const FSSIM_REDUCTION_PER_IMAGE: i32 = 1;
pub const FSSIM_REDUCTION_PER_CHANNEL: i32 = 2;
pub const FSSIM_REDUCTION_MAP: i32 = 3;

pub const FSSIM_WINDOW_GAUSSIAN: i32 = 0;
pub const FSSIM_WINDOW_UNIFORM: i32 = 1;

pub const FSSIM_OUTPUT_SSIM: i32 = 0;
pub const FSSIM_OUTPUT_ONE_MINUS_SSIM: i32 = 1;
pub const FSSIM_OUTPUT_DSSIM: i32 = 2;

pub const FSSIM_MASK_NONE: i32 = 0;
pub const FSSIM_MASK_WEIGHTED_MEAN: i32 = 1;
pub const FSSIM_MASK_MULTIPLY_INPUTS: i32 = 2;
pub const FSSIM_MASK_NORMALIZED: i32 = 3;

pub const FSSIM_PIXEL_L1: i32 = 0;
pub const FSSIM_PIXEL_L2: i32 = 1;

pub const FSSIM_SAVE_FOR_IMG1: i32 = 1;
pub const FSSIM_SAVE_FOR_IMG2: i32 = 2;

pub type fssim_status = i32;

pub const FSSIM_OK: fssim_status = 0;
pub const FSSIM_ERROR_NULL_POINTER: fssim_status = 1;
pub const FSSIM_ERROR_STRUCT_SIZE: fssim_status = 2;
pub const FSSIM_ERROR_SHAPE: fssim_status = 3;
pub const FSSIM_ERROR_OPTION: fssim_status = 4;
pub const FSSIM_ERROR_LAYOUT: fssim_status = 5;
pub const FSSIM_ERROR_ALIGNMENT: fssim_status = 6;
pub const FSSIM_ERROR_OVERLAP: fssim_status = 7;
pub const FSSIM_ERROR_DEVICE: fssim_status = 8;
pub const FSSIM_ERROR_WORKSPACE: fssim_status = 9;
pub const FSSIM_ERROR_STREAM: fssim_status = 10;
pub const FSSIM_ERROR_UNSUPPORTED: fssim_status = 30;
pub const FSSIM_ERROR_NO_CUDA: fssim_status = 50;
pub const FSSIM_ERROR_CUDA: fssim_status = 51;
pub const FSSIM_ERROR_OUT_OF_MEMORY: fssim_status = 52;
pub const FSSIM_ERROR_INTERNAL: fssim_status = 90;

#[repr(C)]
pub struct fssim_layout {
    pub dtype: i32,
    pub reserved: i32,
    pub scale: f64,
    pub stride_n: i64,
    pub stride_c: i64,
    pub stride_h: i64,
    pub stride_w: i64,
}

#[repr(C)]
pub struct fssim_options {
    pub struct_size: size_t,
    pub device: i32,
    pub padding: i32,
    pub reduction: i32,
    pub output: i32,
    pub window: i32,
    pub window_size: i32,
    pub sigma: f64,
    pub data_range: f64,
    pub k1: f64,
    pub k2: f64,
    pub img1: fssim_layout,
    pub img2: fssim_layout,
    pub grad_img1: fssim_layout,
    pub grad_img2: fssim_layout,
    pub saved_for: i32,
    pub mask_mode: i32,
    pub mask: *const c_void,
    pub mask_layout: fssim_layout,
    pub shard_rows_above: i64,
    pub shard_rows_below: i64,
    pub shard_height: i64,
    pub shard_divisor: f64,
}

extern "C" {
    pub fn fssim_options_init(options: *mut fssim_options, struct_size: size_t) -> fssim_status;
    pub fn fssim_saved_size(
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        bytes: *mut size_t,
    ) -> fssim_status;
    pub fn fssim_workspace_size(
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        bytes: *mut size_t,
    ) -> fssim_status;

    pub fn fssim_status_string(status: fssim_status) -> *const c_char;
    pub fn fssim_last_error() -> *const c_char;
    pub fn fssim_version() -> i32;
    pub fn fssim_device_count(count: *mut i32) -> fssim_status;
    pub fn fssim_backend_info(buffer: *mut c_char, buffer_bytes: size_t, needed_bytes: *mut size_t) -> fssim_status;
    pub fn fssim_cuda_preload(device: i32) -> fssim_status;
    pub fn fssim_set_num_threads(threads: i32) -> fssim_status;
    pub fn fssim_get_num_threads() -> i32;

    pub fn fssim_forward(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        ssim: *mut c_void,
        saved: *mut c_void,
    ) -> fssim_status;
    pub fn fssim_backward(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        saved: *const c_void,
        grad_ssim: *const c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
    ) -> fssim_status;
    pub fn fssim_value_and_grad(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        ssim: *mut c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
    ) -> fssim_status;

    pub fn fssim_forward_stream(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        ssim: *mut c_void,
        saved: *mut c_void,
        workspace: *mut c_void,
        workspace_bytes: size_t,
        stream: *mut c_void,
    ) -> fssim_status;
    pub fn fssim_backward_stream(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        saved: *const c_void,
        grad_ssim: *const c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
        workspace: *mut c_void,
        workspace_bytes: size_t,
        stream: *mut c_void,
    ) -> fssim_status;
    pub fn fssim_value_and_grad_stream(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        ssim: *mut c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
        workspace: *mut c_void,
        workspace_bytes: size_t,
        stream: *mut c_void,
    ) -> fssim_status;

    pub fn fssim_loss(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        pixel_loss: i32,
        lambda: f64,
        loss: *mut c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
    ) -> fssim_status;
    pub fn fssim_loss_stream(
        img1: *const c_void,
        img2: *const c_void,
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        pixel_loss: i32,
        lambda: f64,
        loss: *mut c_void,
        grad_img1: *mut c_void,
        grad_img2: *mut c_void,
        workspace: *mut c_void,
        workspace_bytes: size_t,
        stream: *mut c_void,
    ) -> fssim_status;
}
