//! The types and constants of the C API. Every doc comment here is text of `include/fused_ssim.h`.
#![allow(non_camel_case_types, reason = "these are the names that C sees")]

use std::ffi::c_void;

/// What a call returns: FSSIM_OK or one of FSSIM_ERROR_*. Later versions may add values, so treat a value that
/// you do not know as an error.
pub type fssim_status = i32;

/// The call did what it says.
pub const FSSIM_OK: fssim_status = 0;
/// A required pointer is NULL.
pub const FSSIM_ERROR_NULL_POINTER: fssim_status = 1;
/// struct_size is not a size this library knows: fssim_options_init was not called, or the program was compiled
/// against a newer header than the library it runs with.
pub const FSSIM_ERROR_STRUCT_SIZE: fssim_status = 2;
/// A size is zero, negative, too large to address, or an image is smaller than the window under `valid` padding.
pub const FSSIM_ERROR_SHAPE: fssim_status = 3;
/// An option holds a value outside its documented range.
pub const FSSIM_ERROR_OPTION: fssim_status = 4;
/// An unknown dtype, or one that does not go with the others, a scale that is not finite or too large or small for the data
/// range, a negative stride, strides that reach further than can be addressed, or with which two elements of an output share
/// an address.
pub const FSSIM_ERROR_LAYOUT: fssim_status = 5;
/// A pointer is not a multiple of its element size.
pub const FSSIM_ERROR_ALIGNMENT: fssim_status = 6;
/// The memory of an output, from its first to its last element, overlaps that of another argument.
pub const FSSIM_ERROR_OVERLAP: fssim_status = 7;
/// Pointers live on different devices, or not on the device that the options ask for.
pub const FSSIM_ERROR_DEVICE: fssim_status = 8;
/// The workspace is missing or smaller than fssim_workspace_size says.
pub const FSSIM_ERROR_WORKSPACE: fssim_status = 9;
/// The stream belongs to another device than the pointers, or a stream was given with host pointers.
pub const FSSIM_ERROR_STREAM: fssim_status = 10;
/// A well-formed request that this version does not implement. Nothing was computed.
pub const FSSIM_ERROR_UNSUPPORTED: fssim_status = 30;
/// No usable CUDA driver: not installed, too old, no device, or this is a forked child of a process that used CUDA.
pub const FSSIM_ERROR_NO_CUDA: fssim_status = 50;
/// A call of the CUDA driver failed. fssim_last_error names the call and the driver's own error.
pub const FSSIM_ERROR_CUDA: fssim_status = 51;
/// Host or device memory ran out.
pub const FSSIM_ERROR_OUT_OF_MEMORY: fssim_status = 52;
/// A defect of this library. Please report it with fssim_last_error and fssim_backend_info.
pub const FSSIM_ERROR_INTERNAL: fssim_status = 90;

/// 32-bit floating point. The default.
pub const FSSIM_DTYPE_F32: i32 = 0;
/// 16-bit floating point (IEEE half).
pub const FSSIM_DTYPE_F16: i32 = 1;
/// bfloat16.
pub const FSSIM_DTYPE_BF16: i32 = 2;
/// Unsigned byte, for images only; `scale` defaults to data_range/255.
pub const FSSIM_DTYPE_U8: i32 = 3;
/// 64-bit floating point, on the CPU only, for both images and every gradient asked for, or for none. Then everything is
/// computed in it, and `ssim`, `grad_ssim` and `saved` hold doubles.
pub const FSSIM_DTYPE_F64: i32 = 4;

/// Run where the pointers live: all on one CUDA device, or all in host memory (CPU). The default.
pub const FSSIM_DEVICE_AUTO: i32 = 0;
/// Run on the CPU; a device pointer is FSSIM_ERROR_DEVICE.
pub const FSSIM_DEVICE_CPU: i32 = 1;
/// Run on CUDA; a host pointer is FSSIM_ERROR_DEVICE.
pub const FSSIM_DEVICE_CUDA: i32 = 2;

/// The image is surrounded by zeros and every pixel has an SSIM: the map is H x W. The default.
pub const FSSIM_PADDING_SAME: i32 = 0;
/// Only pixels whose whole window lies inside the image count: the map is (H-w+1) x (W-w+1), w the window size.
pub const FSSIM_PADDING_VALID: i32 = 1;

/// One value: the mean over every pixel of every plane. The default. `ssim` holds 1 float.
pub const FSSIM_REDUCTION_MEAN: i32 = 0;
/// One value per image: the mean over its channels and pixels. `ssim` holds N floats.
pub const FSSIM_REDUCTION_PER_IMAGE: i32 = 1;
/// One value per channel of each image: the mean over its pixels. `ssim` holds N*C floats, [N][C].
pub const FSSIM_REDUCTION_PER_CHANNEL: i32 = 2;
/// No reduction. `ssim` holds the dense map, [N][C][H][W] (with `valid`: [N][C][H-w+1][W-w+1]).
pub const FSSIM_REDUCTION_MAP: i32 = 3;

/// Gaussian window, sampled at the pixel centres, truncated at window_size taps and normalised to sum 1. The default.
pub const FSSIM_WINDOW_GAUSSIAN: i32 = 0;
/// Uniform (box) window.
pub const FSSIM_WINDOW_UNIFORM: i32 = 1;

/// The result is SSIM. The default.
pub const FSSIM_OUTPUT_SSIM: i32 = 0;
/// The result is 1 - SSIM, and gradients are of that.
pub const FSSIM_OUTPUT_ONE_MINUS_SSIM: i32 = 1;
/// The result is (1 - SSIM) / 2, and gradients are of that.
pub const FSSIM_OUTPUT_DSSIM: i32 = 2;

/// No mask. The default.
pub const FSSIM_MASK_NONE: i32 = 0;
/// Weighted mean of the map: sum(m S) / sum(m), over each group of the reduction. A map holds the terms m S. Where m is zero
/// SSIM does not count, even if it is NaN.
pub const FSSIM_MASK_WEIGHTED_MEAN: i32 = 1;
/// Both images are multiplied by the mask first; zeros stay zero, even where a pixel is NaN. The mean is over every pixel.
pub const FSSIM_MASK_MULTIPLY_INPUTS: i32 = 2;
/// Normalised convolution: the moments of a window are weighted by the mask inside it, mu = G*(m x) / G*m, so that pixels
/// of weight zero have no influence at all; then the weighted mean.
pub const FSSIM_MASK_NORMALIZED: i32 = 3;

/// fssim_loss compares pixels by |img1 - img2|.
pub const FSSIM_PIXEL_L1: i32 = 0;
/// fssim_loss compares pixels by (img1 - img2)^2.
pub const FSSIM_PIXEL_L2: i32 = 1;

/// `saved` keeps what fssim_backward needs for grad_img1. The default.
pub const FSSIM_SAVE_FOR_IMG1: i32 = 1;
/// `saved` keeps what fssim_backward needs for grad_img2. Combine with `|`.
pub const FSSIM_SAVE_FOR_IMG2: i32 = 2;

/// How the elements of one image or gradient of shape (N, C, H, W) lie in memory.
///
/// Element (n, c, h, w) is at pointer + n*stride_n + c*stride_c + h*stride_h + w*stride_w, counted in elements, not
/// bytes. All four zero means dense NCHW. NHWC is {h*w*c, 1, w*c, c}; a Julia array of size (w, h, c, n) is dense NCHW;
/// a crop of a larger image keeps the strides of the larger one, with the pointer at its first element. Strides must
/// not be negative. An input may have zero strides (broadcast), as long as one of the four is not zero. Elements of a gradient
/// must not share an address: each stride is larger than all that the dimensions of smaller strides reach together.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct fssim_layout {
    /// FSSIM_DTYPE_*.
    pub dtype: i32,
    /// Set to zero.
    pub reserved: i32,
    /// What each element is multiplied by on load; data_range is that of the products. 0: the default of the dtype (1 for
    /// floating point; data_range/255 for u8, so that bytes span the range, whichever it is). Divided by data_range it must
    /// be a normal float. Ignored for gradients, which are those of the elements as stored: a scale multiplies them
    /// too.
    pub scale: f64,
    /// Elements from one image of the batch to the next.
    pub stride_n: i64,
    /// Elements from one channel to the next.
    pub stride_c: i64,
    /// Elements from one row to the next.
    pub stride_h: i64,
    /// Elements from one column to the next.
    pub stride_w: i64,
}

/// Everything about a call that has a default. Fill it with fssim_options_init, then change what you need.
///
/// The struct only ever grows at its end; struct_size tells the library which members the caller knows, and the
/// others keep their defaults.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct fssim_options {
    /// sizeof(fssim_options) of the header that the caller was compiled with. Set by fssim_options_init.
    pub struct_size: usize,
    /// FSSIM_DEVICE_*.
    pub device: i32,
    /// FSSIM_PADDING_*.
    pub padding: i32,
    /// FSSIM_REDUCTION_*.
    pub reduction: i32,
    /// FSSIM_OUTPUT_*.
    pub output: i32,
    /// FSSIM_WINDOW_*.
    pub window: i32,
    /// Taps of the window in each direction: odd, 3 to 33. Default 11.
    pub window_size: i32,
    /// Standard deviation of the Gaussian window in pixels, > 0. Default 1.5.
    pub sigma: f64,
    /// L, the distance between the smallest and the largest possible pixel value, > 0; 1/L must be a normal float. Default 1.
    pub data_range: f64,
    /// k1 in C1 = (k1 L)^2, > 0; its square must be a normal float. Default 0.01.
    pub k1: f64,
    /// k2 in C2 = (k2 L)^2, > 0; its square must be a normal float. Default 0.03.
    pub k2: f64,
    /// Layout of img1.
    pub img1: fssim_layout,
    /// Layout of img2.
    pub img2: fssim_layout,
    /// Layout of grad_img1.
    pub grad_img1: fssim_layout,
    /// Layout of grad_img2.
    pub grad_img2: fssim_layout,
    /// Which gradients `saved` serves: FSSIM_SAVE_FOR_IMG1, FSSIM_SAVE_FOR_IMG2, or both. Must be the same in
    /// fssim_saved_size, fssim_forward and fssim_backward.
    pub saved_for: i32,
    /// FSSIM_MASK_*.
    pub mask_mode: i32,
    /// The mask m: weights of at least 0, f32, or u8, where 0 is 0 and anything else is 1. NULL with FSSIM_MASK_NONE.
    /// Where the whole mask is zero, nothing is compared: SSIM is 1, losses and gradients are 0.
    pub mask: *const c_void,
    /// Layout of the mask, whose shape is that of the images: all strides zero for a dense one of each channel, {h*w, 0, w, 1}
    /// for one that the channels share, of shape (N, 1, H, W), {0, 0, w, 1} for one of shape (H, W).
    pub mask_layout: fssim_layout,
    /// Row sharding: rows of the true image present in memory above the first owned row. h counts them. There
    /// must be window_size - 1 of them, or all that the image has there.
    pub shard_rows_above: i64,
    /// Row sharding: rows of the true image present in memory below the last owned row, as above.
    pub shard_rows_below: i64,
    /// Row sharding: height of the whole image; 0: it is not sharded. If it is, maps and gradients have the height of the
    /// owned rows, and values are partial sums over them: the sum over all shards is the value of the whole image.
    pub shard_height: i64,
    /// Row sharding: what the sum is divided by; 0: the number of elements of the whole image that are averaged. Required
    /// with a mask that weights the mean: the sum of the whole image's mask. It divides both parts of a loss.
    pub shard_divisor: f64,
}
