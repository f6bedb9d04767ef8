//! The C API as C sees it, for tests that call it through raw pointers. tests/ctest compares such declarations with the
//! header; these are kept in the same order.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(non_camel_case_types, reason = "these are the names that C sees")]

use std::ffi::{CStr, c_char, c_void};

// Links the library, whose symbols are found by name.
use fused_ssim as _;

pub const DEVICE_CPU: i32 = 1;
pub const DEVICE_CUDA: i32 = 2;
pub const PADDING_VALID: i32 = 1;
pub const REDUCTION_PER_IMAGE: i32 = 1;
pub const REDUCTION_PER_CHANNEL: i32 = 2;
pub const REDUCTION_MAP: i32 = 3;
pub const OUTPUT_ONE_MINUS_SSIM: i32 = 1;
pub const OUTPUT_DSSIM: i32 = 2;
pub const DTYPE_F16: i32 = 1;
pub const DTYPE_BF16: i32 = 2;
pub const DTYPE_U8: i32 = 3;
pub const DTYPE_F64: i32 = 4;
pub const MASK_WEIGHTED_MEAN: i32 = 1;
pub const MASK_MULTIPLY_INPUTS: i32 = 2;
pub const MASK_NORMALIZED: i32 = 3;
pub const PIXEL_L1: i32 = 0;
pub const PIXEL_L2: i32 = 1;
pub const SAVE_FOR_IMG1: i32 = 1;
pub const SAVE_FOR_IMG2: i32 = 2;

pub const OK: i32 = 0;
pub const ERROR_NULL_POINTER: i32 = 1;
pub const ERROR_STRUCT_SIZE: i32 = 2;
pub const ERROR_SHAPE: i32 = 3;
pub const ERROR_OPTION: i32 = 4;
pub const ERROR_LAYOUT: i32 = 5;
pub const ERROR_ALIGNMENT: i32 = 6;
pub const ERROR_OVERLAP: i32 = 7;
pub const ERROR_DEVICE: i32 = 8;
pub const ERROR_WORKSPACE: i32 = 9;
pub const ERROR_STREAM: i32 = 10;
pub const ERROR_UNSUPPORTED: i32 = 30;
pub const ERROR_NO_CUDA: i32 = 50;
pub const ERROR_CUDA: i32 = 51;
pub const ERROR_OUT_OF_MEMORY: i32 = 52;

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fssim_layout {
    pub dtype: i32,
    pub reserved: i32,
    pub scale: f64,
    /// For N, C, H and W.
    pub strides: [i64; 4],
}

#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fssim_options {
    pub struct_size: usize,
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

/// Declares the computing functions, each with its `_stream` form.
macro_rules! computing_functions {
    ($($name:ident $stream_name:ident ($($argument:ident: $type:ty),* $(,)?);)*) => {
        unsafe extern "C" {$(
            pub fn $name(
                img1: *const c_void, img2: *const c_void, n: i64, c: i64, h: i64, w: i64,
                options: *const fssim_options, $($argument: $type),*
            ) -> i32;
            pub fn $stream_name(
                img1: *const c_void, img2: *const c_void, n: i64, c: i64, h: i64, w: i64,
                options: *const fssim_options, $($argument: $type),*,
                workspace: *mut c_void, workspace_bytes: usize, stream: *mut c_void,
            ) -> i32;
        )*}
    };
}

computing_functions! {
    fssim_forward fssim_forward_stream(ssim: *mut f32, saved: *mut c_void);
    fssim_backward fssim_backward_stream(
        saved: *const c_void, grad_ssim: *const f32, grad_img1: *mut c_void, grad_img2: *mut c_void,
    );
    fssim_value_and_grad fssim_value_and_grad_stream(
        ssim: *mut f32, grad_img1: *mut c_void, grad_img2: *mut c_void,
    );
    fssim_loss fssim_loss_stream(
        pixel_loss: i32, lambda: f64, loss: *mut f32, grad_img1: *mut c_void, grad_img2: *mut c_void,
    );
}

unsafe extern "C" {
    pub fn fssim_options_init(options: *mut fssim_options, struct_size: usize) -> i32;
    pub fn fssim_saved_size(n: i64, c: i64, h: i64, w: i64, options: *const fssim_options, bytes: *mut usize) -> i32;
    pub fn fssim_workspace_size(
        n: i64,
        c: i64,
        h: i64,
        w: i64,
        options: *const fssim_options,
        bytes: *mut usize,
    ) -> i32;
    pub fn fssim_status_string(status: i32) -> *const c_char;
    fn fssim_last_error() -> *const c_char;
    fn fssim_device_count(count: *mut i32) -> i32;
    pub fn fssim_backend_info(buffer: *mut c_char, buffer_bytes: usize, needed_bytes: *mut usize) -> i32;
    safe fn fssim_cuda_preload(device: i32) -> i32;
}

impl Default for fssim_options {
    fn default() -> Self {
        let mut options = std::mem::MaybeUninit::uninit();
        // SAFETY: the library fills the whole struct and says so.
        unsafe {
            assert_eq!(fssim_options_init(options.as_mut_ptr(), size_of::<fssim_options>()), OK, "{}", last_error());
            options.assume_init()
        }
    }
}

/// The calling thread's last message.
pub fn last_error() -> String {
    // SAFETY: a NUL-terminated string that lives until this thread's next call.
    unsafe { CStr::from_ptr(fssim_last_error()) }.to_str().expect("messages are UTF-8").to_owned()
}

/// Panics with the library's message unless a call succeeded.
#[track_caller]
pub fn expect_ok(status: i32) {
    assert_eq!(status, OK, "{}", last_error());
}

pub fn saved_bytes([n, c, h, w]: [i64; 4], options: &fssim_options) -> usize {
    let mut bytes = 0;
    // SAFETY: the pointers are valid.
    expect_ok(unsafe { fssim_saved_size(n, c, h, w, options, &mut bytes) });
    bytes
}

pub fn workspace_bytes([n, c, h, w]: [i64; 4], options: &fssim_options) -> usize {
    let mut bytes = 0;
    // SAFETY: the pointers are valid.
    expect_ok(unsafe { fssim_workspace_size(n, c, h, w, options, &mut bytes) });
    bytes
}

pub fn device_count() -> Result<i32, i32> {
    let mut count = -1;
    // SAFETY: the pointer is valid.
    match unsafe { fssim_device_count(&mut count) } {
        OK => Ok(count),
        status => Err(status),
    }
}

pub fn backend_info() -> String {
    let mut text = vec![0u8; 16384];
    // SAFETY: the buffer is as large as it says.
    expect_ok(unsafe { fssim_backend_info(text.as_mut_ptr().cast(), text.len(), std::ptr::null_mut()) });
    CStr::from_bytes_until_nul(&text).expect("the text fits").to_str().expect("the text is UTF-8").to_owned()
}

/// `fssim_cuda_preload`.
pub fn preload(device: i32) -> i32 {
    fssim_cuda_preload(device)
}
