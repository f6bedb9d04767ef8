//! From `fssim_options` and a shape to a checked [`Problem`].

use std::ffi::c_void;
use std::ptr;

use super::types::*;
use crate::layout::{Dtype, Layout};
use crate::loss::{Loss, PixelLoss};
use crate::mask::{MaskElement, MaskMode, MaskOptions};
use crate::options::{Options, Output, Padding, Reduction, SavedFor};
use crate::problem::{Outline, Problem, Shape};
use crate::shard::{Shard, map_region};
use crate::status::{Error, Result};
use crate::window::{WINDOW_TAPS, WindowShape, check_size};

/// Where the caller wants the work done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda,
}

/// What the options and the shape ask for.
pub(super) struct Request {
    pub(super) problem: Problem,
    pub(super) device: DeviceChoice,
    pub(super) mask: *const c_void,
    pub(super) terms: Option<Loss>,
}

/// What a call asks of its options.
pub(super) struct Demands {
    /// The gradients that it computes.
    pub(super) gradients: [bool; 2],
    /// The gradients that it takes from a `saved` buffer.
    pub(super) from_saved: [bool; 2],
    /// Whether it has an upstream gradient.
    pub(super) upstream: bool,
    /// pixel_loss and lambda of a loss.
    pub(super) loss: Option<(i32, f64)>,
}

impl Demands {
    pub(super) const NONE: Demands =
        Demands { gradients: [false; 2], from_saved: [false; 2], upstream: false, loss: None };
}

impl fssim_layout {
    const DENSE_F32: fssim_layout = fssim_layout {
        dtype: FSSIM_DTYPE_F32,
        reserved: 0,
        scale: 0.0,
        stride_n: 0,
        stride_c: 0,
        stride_h: 0,
        stride_w: 0,
    };
}

impl fssim_options {
    pub(super) fn defaults(struct_size: usize) -> Self {
        let core = Options::default();
        fssim_options {
            struct_size,
            device: FSSIM_DEVICE_AUTO,
            padding: FSSIM_PADDING_SAME,
            reduction: FSSIM_REDUCTION_MEAN,
            output: FSSIM_OUTPUT_SSIM,
            window: FSSIM_WINDOW_GAUSSIAN,
            window_size: WINDOW_TAPS as i32,
            sigma: core.sigma,
            data_range: core.data_range,
            k1: core.k1,
            k2: core.k2,
            img1: fssim_layout::DENSE_F32,
            img2: fssim_layout::DENSE_F32,
            grad_img1: fssim_layout::DENSE_F32,
            grad_img2: fssim_layout::DENSE_F32,
            saved_for: FSSIM_SAVE_FOR_IMG1,
            mask_mode: FSSIM_MASK_NONE,
            mask: ptr::null(),
            mask_layout: fssim_layout::DENSE_F32,
            shard_rows_above: 0,
            shard_rows_below: 0,
            shard_height: 0,
            shard_divisor: 0.0,
        }
    }
}

/// Sizes that a released header has had. Each release that adds members appends one.
const KNOWN_SIZES: &[usize] = &[size_of::<fssim_options>()];

pub(super) fn check_struct_size(struct_size: usize) -> Result<()> {
    if KNOWN_SIZES.contains(&struct_size) {
        return Ok(());
    }
    Err(Error::StructSize(format!(
        "struct_size is {struct_size}; this library knows {KNOWN_SIZES:?}: call fssim_options_init(&options, sizeof \
         options) first, and compile against the header of the library in use"
    )))
}

/// Checks the options (NULL: the defaults) and the shape, in the documented order.
///
/// # Safety
/// `options` is NULL or points to a `usize` followed by as many bytes as it says.
pub(super) unsafe fn read_problem(
    options: *const fssim_options,
    shape: [i64; 4],
    demands: &Demands,
) -> Result<Request> {
    // SAFETY: the caller's promise.
    let options = unsafe { copy_options(options) }?;
    let shape = Shape::new(shape[0], shape[1], shape[2], shape[3])?;
    let padding = match options.padding {
        FSSIM_PADDING_SAME => Padding::Same,
        FSSIM_PADDING_VALID => Padding::Valid,
        other => return Err(unknown("padding", other, "FSSIM_PADDING_*")),
    };
    let shard = shard(&options)?;
    map_region(shape, padding, check_size(i64::from(options.window_size))?, shard)?;
    let device = match options.device {
        FSSIM_DEVICE_AUTO => DeviceChoice::Auto,
        FSSIM_DEVICE_CPU => DeviceChoice::Cpu,
        FSSIM_DEVICE_CUDA => DeviceChoice::Cuda,
        other => return Err(unknown("device", other, "FSSIM_DEVICE_*")),
    };
    let core = to_core(&options, padding, shard)?;
    core.saved_for.check(demands.from_saved)?;
    let terms = demands.loss.map(|(pixel_loss, lambda)| loss(pixel_loss, lambda, core.reduction)).transpose()?;
    let outline = Outline::new(shape, &core)?;
    check_elements(&options)?;
    let mut problem = outline.lay_out(&core)?;
    problem.check_grad_dtypes(demands.gradients)?;
    let precision = problem.precision();
    for (dtype, wanted) in problem.grad_dtypes.iter_mut().zip(demands.gradients) {
        // What nobody asks for is not checked either, and must not reach a backend that lacks it.
        *dtype = if wanted { *dtype } else { precision };
    }
    refuse_unsupported(&options)?;
    problem.check_supported()?;
    if demands.upstream {
        problem.check_upstream()?;
    }
    Ok(Request { problem, device, mask: options.mask, terms })
}

fn loss(pixel_loss: i32, lambda: f64, reduction: Reduction) -> Result<Loss> {
    let pixel = match pixel_loss {
        FSSIM_PIXEL_L1 => PixelLoss::L1,
        FSSIM_PIXEL_L2 => PixelLoss::L2,
        other => return Err(unknown("pixel_loss", other, "FSSIM_PIXEL_*")),
    };
    let terms = Loss { pixel, lambda };
    terms.check(reduction)?;
    Ok(terms)
}

unsafe fn copy_options(options: *const fssim_options) -> Result<fssim_options> {
    if options.is_null() {
        return Ok(fssim_options::defaults(size_of::<fssim_options>()));
    }
    if !options.is_aligned() {
        return Err(Error::Alignment(format!(
            "options is at {options:p}; it must be a multiple of {}",
            align_of::<fssim_options>()
        )));
    }
    // SAFETY: not NULL, aligned, and readable for its first member at least.
    let struct_size = unsafe { (*options).struct_size };
    check_struct_size(struct_size)?;
    let mut copy = fssim_options::defaults(struct_size);
    // SAFETY: check_struct_size bounds the size by that of `copy`, and the caller's struct is that large.
    unsafe { ptr::copy_nonoverlapping(options.cast::<u8>(), (&raw mut copy).cast::<u8>(), struct_size) };
    Ok(copy)
}

fn to_core(options: &fssim_options, padding: Padding, shard: Option<Shard>) -> Result<Options> {
    let reduction = match options.reduction {
        FSSIM_REDUCTION_MEAN => Reduction::Mean,
        FSSIM_REDUCTION_PER_IMAGE => Reduction::PerImage,
        FSSIM_REDUCTION_PER_CHANNEL => Reduction::PerChannel,
        FSSIM_REDUCTION_MAP => Reduction::Map,
        other => return Err(unknown("reduction", other, "FSSIM_REDUCTION_*")),
    };
    let output = match options.output {
        FSSIM_OUTPUT_SSIM => Output::Ssim,
        FSSIM_OUTPUT_ONE_MINUS_SSIM => Output::OneMinusSsim,
        FSSIM_OUTPUT_DSSIM => Output::Dssim,
        other => return Err(unknown("output", other, "FSSIM_OUTPUT_*")),
    };
    let window = match options.window {
        FSSIM_WINDOW_GAUSSIAN => WindowShape::Gaussian,
        FSSIM_WINDOW_UNIFORM => WindowShape::Uniform,
        other => return Err(unknown("window", other, "FSSIM_WINDOW_*")),
    };
    let mask_mode = match options.mask_mode {
        FSSIM_MASK_NONE => None,
        FSSIM_MASK_WEIGHTED_MEAN => Some(MaskMode::WeightedMean),
        FSSIM_MASK_MULTIPLY_INPUTS => Some(MaskMode::MultiplyInputs),
        FSSIM_MASK_NORMALIZED => Some(MaskMode::Normalized),
        other => return Err(unknown("mask_mode", other, "FSSIM_MASK_*")),
    };
    let both = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2;
    check_range("saved_for", options.saved_for, FSSIM_SAVE_FOR_IMG1..=both, "FSSIM_SAVE_FOR_*")?;
    if options.mask_mode == FSSIM_MASK_NONE && !options.mask.is_null() {
        return Err(Error::Option("mask is not NULL, but mask_mode is FSSIM_MASK_NONE".to_owned()));
    }
    if options.mask_mode != FSSIM_MASK_NONE && options.mask.is_null() {
        return Err(Error::Option(format!("mask is NULL, but mask_mode is {}", options.mask_mode)));
    }
    Ok(Options {
        padding,
        reduction,
        output,
        window,
        window_size: check_size(i64::from(options.window_size))?,
        sigma: options.sigma,
        data_range: options.data_range,
        k1: options.k1,
        k2: options.k2,
        img1: layout(&options.img1),
        img2: layout(&options.img2),
        grad_img1: layout(&options.grad_img1),
        grad_img2: layout(&options.grad_img2),
        saved_for: SavedFor {
            img1: options.saved_for & FSSIM_SAVE_FOR_IMG1 != 0,
            img2: options.saved_for & FSSIM_SAVE_FOR_IMG2 != 0,
        },
        mask: mask_mode.map(|mode| MaskOptions {
            mode,
            // Other dtypes are refused before the mask is read.
            element: if options.mask_layout.dtype == FSSIM_DTYPE_U8 { MaskElement::U8 } else { MaskElement::F32 },
            layout: layout(&options.mask_layout),
        }),
        shard,
    })
}

/// The row sharding that the options ask for.
fn shard(options: &fssim_options) -> Result<Option<Shard>> {
    let rows = |name, rows: i64| {
        usize::try_from(rows).map_err(|_| Error::Option(format!("{name} is {rows}; expected 0 or more")))
    };
    let rows_above = rows("shard_rows_above", options.shard_rows_above)?;
    let rows_below = rows("shard_rows_below", options.shard_rows_below)?;
    let height = rows("shard_height", options.shard_height)?;
    let divisor = options.shard_divisor;
    if !(divisor.is_finite() && divisor >= 0.0) {
        return Err(Error::Option(format!("shard_divisor is {divisor}; expected a finite number, 0 or more")));
    }
    if height == 0 {
        if rows_above > 0 || rows_below > 0 || divisor > 0.0 {
            return Err(Error::Option(
                "shard_height is 0, but another shard_* is not; it must be the height of the whole image".to_owned(),
            ));
        }
        return Ok(None);
    }
    Ok(Some(Shard { rows_above, rows_below, height, divisor: (divisor > 0.0).then_some(divisor) }))
}

fn layout(layout: &fssim_layout) -> Layout {
    Layout {
        strides: [layout.stride_n, layout.stride_c, layout.stride_h, layout.stride_w],
        // An unknown one is refused by check_elements before this is used.
        dtype: dtype(layout.dtype).unwrap_or_default(),
        scale: layout.scale,
    }
}

fn dtype(constant: i32) -> Option<Dtype> {
    Some(match constant {
        FSSIM_DTYPE_F32 => Dtype::F32,
        FSSIM_DTYPE_F16 => Dtype::F16,
        FSSIM_DTYPE_BF16 => Dtype::Bf16,
        FSSIM_DTYPE_U8 => Dtype::U8,
        FSSIM_DTYPE_F64 => Dtype::F64,
        _ => return None,
    })
}

/// The images, gradients and the mask, if there is one, with the names of their members.
fn layouts(options: &fssim_options) -> impl Iterator<Item = (&'static str, &fssim_layout)> {
    [
        ("img1", &options.img1),
        ("img2", &options.img2),
        ("grad_img1", &options.grad_img1),
        ("grad_img2", &options.grad_img2),
        ("mask_layout", &options.mask_layout),
    ]
    .into_iter()
    .take(if options.mask_mode == FSSIM_MASK_NONE { 4 } else { 5 })
}

fn check_elements(options: &fssim_options) -> Result<()> {
    for (name, layout) in layouts(options) {
        if dtype(layout.dtype).is_none() {
            return Err(Error::Layout(format!("{name}: dtype is {}; expected one of FSSIM_DTYPE_*", layout.dtype)));
        }
        if layout.reserved != 0 {
            return Err(Error::Layout(format!("{name}: reserved is {}; expected 0", layout.reserved)));
        }
        if !layout.scale.is_finite() {
            return Err(Error::Layout(format!("{name}: scale is {}; expected a finite number", layout.scale)));
        }
    }
    Ok(())
}

/// Well-formed requests that later versions will answer.
fn refuse_unsupported(options: &fssim_options) -> Result<()> {
    let unsupported = |what: String| Err(Error::Unsupported(format!("{what} is not supported by this version")));
    let mask = &options.mask_layout;
    if options.mask_mode != FSSIM_MASK_NONE {
        if mask.dtype != FSSIM_DTYPE_F32 && mask.dtype != FSSIM_DTYPE_U8 {
            return unsupported(format!("mask_layout: dtype {}", mask.dtype));
        }
        if mask.scale != 0.0 && mask.scale != 1.0 {
            return unsupported(format!("mask_layout: scale {}", mask.scale));
        }
    }
    Ok(())
}

fn check_range(name: &str, value: i32, known: std::ops::RangeInclusive<i32>, expected: &str) -> Result<()> {
    if known.contains(&value) { Ok(()) } else { Err(unknown(name, value, expected)) }
}

fn unknown(name: &str, value: i32, expected: &str) -> Error {
    Error::Option(format!("{name} is {value}; expected one of {expected}"))
}
