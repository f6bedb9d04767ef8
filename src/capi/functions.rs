//! The computing functions of the C API. Every doc comment here is text of `include/fused_ssim.h`.

use std::ffi::c_void;

use super::call::{Call, Operation, StreamArguments, run};
use super::guard;
use super::types::{fssim_options, fssim_status};

/// Computes SSIM.
///
/// img1, img2: the images, N*C*H*W elements each (inputs; layouts in the options). Their dtypes may differ, except that
///             f64 goes with f64 alone.
/// n, c, h, w: their shape, each at least 1; h, w and n*c at most 2^31 - 4097.
/// options:    NULL for the defaults: f32, dense NCHW, `same` padding, 11 taps, sigma 1.5, range 1, one mean.
/// ssim:       result, dense floats (for images of f64: doubles); its length follows from options->reduction (1, N, N*C
///             or the map).
/// saved:      NULL, or fssim_saved_size bytes, 16-byte aligned, that receive what fssim_backward needs.
///
/// Synchronous: when it returns, the result is there. CUDA pointers run on the default stream of their device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_forward(
    img1: *const c_void,
    img2: *const c_void,
    n: i64,
    c: i64,
    h: i64,
    w: i64,
    options: *const fssim_options,
    ssim: *mut c_void,
    saved: *mut c_void,
) -> fssim_status {
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(Operation::Forward { ssim, saved }) };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, None) })
}

/// Computes the gradient of SSIM with respect to one or both images.
///
/// img1, img2, n, c, h, w, options: as given to fssim_forward.
/// saved:      what fssim_forward left, or NULL: recompute it (one pass over the images, no saved memory).
/// grad_ssim:  upstream gradient, of the type and shape of `ssim`; NULL: ones.
/// grad_img1, grad_img2: results, of the shape of the images (layouts in the options; f32, f16 or bf16 whatever the images
///             are, f64 for images of f64); NULL: not wanted. At least one is required, and with `saved` only those that
///             options->saved_for names.
///
/// Synchronous, like fssim_forward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_backward(
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
) -> fssim_status {
    let operation = Operation::Backward { saved, grad_ssim, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, None) })
}

/// Computes SSIM and its gradient in one pass over the images; nothing is saved in between.
///
/// The gradient is that of the value returned: of the mean, of each image's or channel's own mean, or, for
/// FSSIM_REDUCTION_MAP, of the sum of the map. Arguments as in fssim_forward and fssim_backward; `ssim` and at least one
/// gradient are required.
///
/// Synchronous, like fssim_forward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_value_and_grad(
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
) -> fssim_status {
    let operation = Operation::ValueAndGrad { ssim, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, None) })
}

/// Computes the loss of a training step and its gradient in one pass over the images:
///
///   L = (1 - lambda) * P + lambda * D
///
/// with P the mean of |img1 - img2| or (img1 - img2)^2 over every pixel, in the unit of the pixels (after their
/// scale; data_range does not divide it), and D the mean of 1 - SSIM, or of (1 - SSIM) / 2 if options->output is
/// FSSIM_OUTPUT_DSSIM. FSSIM_PIXEL_L1, lambda 0.2 and the default options are the loss of 3D Gaussian splatting.
///
/// img1, img2, n, c, h, w, options: as given to fssim_forward. options->reduction: the mean, or one loss per image or
///             channel; a map is FSSIM_ERROR_OPTION. With `valid` padding P is still over every pixel.
/// pixel_loss: FSSIM_PIXEL_*.
/// lambda:     share of D, 0 to 1. A part whose share is 0 adds nothing, even where it is NaN.
/// loss:       result, 3 dense elements for each value of the reduction, f32 (f64 for images of f64): [3][values], first
///             every L, then every P, then every D.
/// grad_img1, grad_img2: gradients of L, of the shape of the images (layouts in the options); NULL: not wanted. Where img1
///             equals img2, |img1 - img2| has the derivative 0.
///
/// With a mask that weights the mean, P is sum(m |img1 - img2|) / sum(m); with FSSIM_MASK_MULTIPLY_INPUTS, P compares the
/// multiplied images. Synchronous, like fssim_forward.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_loss(
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
) -> fssim_status {
    let operation = Operation::Loss { pixel_loss, lambda, loss, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, None) })
}

/// fssim_forward, enqueued on the caller's CUDA stream.
///
/// workspace, workspace_bytes: scratch memory on the same device, 16-byte aligned, of at least fssim_workspace_size
///             bytes. In use until the work enqueued here has completed; give calls that may run at the same time
///             workspaces of their own.
/// stream:     a CUstream or cudaStream_t; NULL: the legacy default stream.
///
/// Returns at once: it only enqueues, and never allocates or synchronises. Errors that the device reports later appear
/// at the caller's next synchronisation. Host pointers run on the CPU at once; then the stream must be NULL and the
/// workspace is not used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_forward_stream(
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
    workspace_bytes: usize,
    stream: *mut c_void,
) -> fssim_status {
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(Operation::Forward { ssim, saved }) };
    let stream = StreamArguments { workspace, workspace_bytes, stream };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, Some(&stream)) })
}

/// fssim_backward, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_backward_stream(
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
    workspace_bytes: usize,
    stream: *mut c_void,
) -> fssim_status {
    let operation = Operation::Backward { saved, grad_ssim, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    let stream = StreamArguments { workspace, workspace_bytes, stream };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, Some(&stream)) })
}

/// fssim_value_and_grad, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_value_and_grad_stream(
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
    workspace_bytes: usize,
    stream: *mut c_void,
) -> fssim_status {
    let operation = Operation::ValueAndGrad { ssim, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    let stream = StreamArguments { workspace, workspace_bytes, stream };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, Some(&stream)) })
}

/// fssim_loss, enqueued on the caller's CUDA stream. Workspace and stream as in fssim_forward_stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_loss_stream(
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
    workspace_bytes: usize,
    stream: *mut c_void,
) -> fssim_status {
    let operation = Operation::Loss { pixel_loss, lambda, loss, grad_img1, grad_img2 };
    let call = Call { img1, img2, shape: [n, c, h, w], options, ..Call::new(operation) };
    let stream = StreamArguments { workspace, workspace_bytes, stream };
    // SAFETY: the pointers are what the caller of this function answers for.
    guard(|| unsafe { run(&call, Some(&stream)) })
}
