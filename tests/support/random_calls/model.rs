//! What the header says of a call's arguments: the status, in the order of its checks.

use super::arguments::{Arguments, Given, SPARE};
use super::{ARENA, Function, World, elements};
use crate::capi::{self, fssim_layout, fssim_options};

/// The largest h, w and n*c.
const MAX_SIZE: i64 = (1 << 31) - 4097;
/// Elements that an image may have for a call to end soon.
const SOON: usize = 20_000;

/// A piece of memory that a call reads or writes.
struct Piece {
    address: usize,
    bytes: usize,
    alignment: usize,
    output: bool,
}

fn is_normal(value: f64) -> bool {
    (value as f32).is_normal()
}

fn owned_rows(options: &fssim_options, h: i64) -> i64 {
    if options.shard_height == 0 { h } else { h - options.shard_rows_above - options.shard_rows_below }
}

/// Rows and columns of the map; of a shard, of the rows that it owns.
pub fn map_size(options: &fssim_options, [_, _, h, w]: [i64; 4]) -> [i64; 2] {
    let radius = if options.padding == capi::PADDING_VALID { i64::from(options.window_size / 2) } else { 0 };
    let (first, count) = match options.shard_height {
        0 => (0, h),
        _ => (options.shard_rows_above, owned_rows(options, h)),
    };
    let rows = (first + count).min(h - radius) - first.max(radius);
    [rows.max(0), w - 2 * radius]
}

/// Numbers of `ssim` and `grad_ssim`.
pub fn values(options: &fssim_options, shape: [i64; 4]) -> i64 {
    let [n, c, _, _] = shape;
    match options.reduction {
        capi::REDUCTION_PER_IMAGE => n,
        capi::REDUCTION_PER_CHANNEL => n * c,
        capi::REDUCTION_MAP => {
            let [rows, columns] = map_size(options, shape);
            n * c * rows * columns
        }
        _ => 1,
    }
}

fn weights_mean(options: &fssim_options) -> bool {
    matches!(options.mask_mode, capi::MASK_WEIGHTED_MEAN | capi::MASK_NORMALIZED)
}

/// What of shape and options does not depend on layouts.
fn shape_and_options(options: &fssim_options, shape @ [n, c, h, w]: [i64; 4]) -> Result<(), i32> {
    let refuse = |wrong: bool, status: i32| if wrong { Err(status) } else { Ok(()) };
    refuse(shape.iter().any(|&size| size < 1), capi::ERROR_SHAPE)?;
    let product = [c, h, w, 64].iter().try_fold(n, |product, &size| product.checked_mul(size));
    refuse(product.is_none() || [n * c, h, w].iter().any(|&size| size > MAX_SIZE), capi::ERROR_SHAPE)?;
    // Whether the window fits is a question for options that make sense.
    let shard = [options.shard_rows_above, options.shard_rows_below, options.shard_height];
    let divisor = options.shard_divisor;
    let odd = options.window_size % 2 == 1 && (3..=33).contains(&options.window_size);
    let wrong = !(0..=1).contains(&options.padding)
        || shard.iter().any(|&rows| rows < 0)
        || !(divisor >= 0.0 && divisor.is_finite())
        || options.shard_height == 0 && (shard[0] > 0 || shard[1] > 0 || divisor > 0.0)
        || !odd;
    refuse(wrong, capi::ERROR_OPTION)?;
    let sharded = options.shard_height > 0;
    let whole = if sharded { options.shard_height } else { h };
    let window = i64::from(options.window_size);
    refuse(options.padding == capi::PADDING_VALID && (whole < window || w < window), capi::ERROR_SHAPE)?;
    let around = shard[0].checked_add(shard[1]);
    refuse(sharded && around.is_none_or(|around| around >= h), capi::ERROR_SHAPE)?;

    let unknown = !(0..=2).contains(&options.device)
        || !(0..=3).contains(&options.reduction)
        || !(0..=2).contains(&options.output)
        || !(0..=1).contains(&options.window)
        || !(0..=3).contains(&options.mask_mode)
        || !(1..=3).contains(&options.saved_for)
        || (options.mask_mode == 0) != options.mask.is_null();
    let positive = |value: f64| value > 0.0 && value.is_finite();
    let numbers = [options.sigma, options.data_range, options.k1, options.k2];
    let out_of_range = !numbers.into_iter().all(positive)
        || !is_normal(options.k1 * options.k1)
        || !is_normal(options.k2 * options.k2)
        || !is_normal(1.0 / options.data_range);
    let alone =
        sharded && (whole < h || whole > MAX_SIZE || whole > h && shard[0] < window - 1 && shard[1] < window - 1);
    let undivided = sharded && weights_mean(options) && options.reduction != capi::REDUCTION_MAP && divisor == 0.0;
    refuse(unknown || out_of_range || alone || undivided, capi::ERROR_OPTION)
}

/// The elements from the first to one past the last; None: too many, or a stride is negative.
fn extent(layout: &fssim_layout, [n, c, h, w]: [i64; 4]) -> Option<usize> {
    let strides = if layout.strides == [0; 4] { [c * h * w, h * w, w, 1] } else { layout.strides };
    let mut extent = 1u128;
    for (stride, size) in strides.into_iter().zip([n, c, h, w]) {
        extent += u128::try_from(stride).ok()? * (size - 1) as u128;
    }
    (extent <= isize::MAX as u128 / 8).then_some(extent as usize)
}

/// Whether every axis of a gradient steps past what the axes of smaller strides reach.
fn is_apart(layout: &fssim_layout, size: [i64; 4]) -> bool {
    if layout.strides == [0; 4] {
        return true;
    }
    let mut axes: Vec<(i64, i64)> = layout.strides.into_iter().zip(size).filter(|&(_, size)| size > 1).collect();
    axes.sort();
    let mut reach = 0;
    axes.into_iter().all(|(stride, size)| {
        let apart = i128::from(stride) > reach;
        reach += i128::from(stride) * i128::from(size - 1);
        apart
    })
}

fn layouts(options: &fssim_options, shape @ [n, c, h, w]: [i64; 4], wanted: [bool; 2]) -> Result<(), i32> {
    let refuse = |wrong: bool| if wrong { Err(capi::ERROR_LAYOUT) } else { Ok(()) };
    let images = [&options.img1, &options.img2];
    let grads = [&options.grad_img1, &options.grad_img2];
    let mask = (options.mask_mode != 0).then_some(&options.mask_layout);
    for layout in images.into_iter().chain(grads).chain(mask) {
        let known = (0..=4).contains(&layout.dtype);
        refuse(!known || layout.reserved != 0 || !layout.scale.is_finite())?;
    }
    for image in images {
        let default = if image.dtype == capi::DTYPE_U8 { options.data_range / 255.0 } else { 1.0 };
        let scale = if image.scale == 0.0 { default } else { image.scale };
        refuse(!is_normal(scale / options.data_range) || extent(image, shape).is_none())?;
    }
    let owned = [n, c, owned_rows(options, h), w];
    for grad in grads {
        refuse(grad.dtype == capi::DTYPE_U8 || extent(grad, owned).is_none() || !is_apart(grad, owned))?;
    }
    refuse(mask.is_some_and(|mask| extent(mask, shape).is_none()))?;
    let double = images.map(|image| image.dtype == capi::DTYPE_F64);
    let wrong = [0, 1].map(|i| wanted[i] && (grads[i].dtype == capi::DTYPE_F64) != double[0]);
    refuse(double[0] != double[1] || wrong != [false; 2])
}

fn unsupported(options: &fssim_options) -> Result<(), i32> {
    let refuse = |wrong: bool| if wrong { Err(capi::ERROR_UNSUPPORTED) } else { Ok(()) };
    if options.mask_mode != 0 {
        let mask = &options.mask_layout;
        refuse(mask.dtype != 0 && mask.dtype != capi::DTYPE_U8 || mask.scale != 0.0 && mask.scale != 1.0)?;
    }
    let groups = matches!(options.reduction, capi::REDUCTION_PER_IMAGE | capi::REDUCTION_PER_CHANNEL);
    refuse(options.shard_height > 0 && weights_mean(options) && groups)
}

fn struct_size(arguments: &Arguments) -> Result<(), i32> {
    match arguments.given {
        Given::Null => Ok(()),
        Given::Misaligned => Err(capi::ERROR_ALIGNMENT),
        Given::Options if arguments.options.struct_size == size_of::<fssim_options>() => Ok(()),
        Given::Options => Err(capi::ERROR_STRUCT_SIZE),
    }
}

/// The status of `fssim_saved_size` and `fssim_workspace_size`.
pub fn sizes_status(arguments: &Arguments) -> i32 {
    let check = || {
        struct_size(arguments)?;
        let (options, shape) = (arguments.effective_options(), arguments.shape);
        shape_and_options(&options, shape)?;
        layouts(&options, shape, [false; 2])?;
        unsupported(&options)
    };
    check().err().unwrap_or(capi::OK)
}

/// What a call whose shape and layouts are right reads and writes, without the workspace.
fn pieces(arguments: &Arguments) -> Vec<Piece> {
    let (options, shape @ [n, c, h, w]) = (arguments.effective_options(), arguments.shape);
    let owned = [n, c, owned_rows(&options, h), w];
    let precise = if options.img1.dtype == capi::DTYPE_F64 { 8 } else { 4 };
    let values = values(&options, shape) as usize;
    let image = |address: usize, layout: &fssim_layout, size, output| {
        let element = elements::size(layout.dtype);
        Piece { address, bytes: extent(layout, size).unwrap_or(0) * element, alignment: element, output }
    };
    let numbers =
        |address: usize, count: usize, output| Piece { address, bytes: count * precise, alignment: precise, output };
    let saved =
        |output| Piece { address: arguments.saved, bytes: capi::saved_bytes(shape, &options), alignment: 16, output };
    let grads = [
        image(arguments.grad_img1, &options.grad_img1, owned, true),
        image(arguments.grad_img2, &options.grad_img2, owned, true),
    ];
    let mut all =
        vec![image(arguments.img1, &options.img1, shape, false), image(arguments.img2, &options.img2, shape, false)];
    if options.mask_mode != 0 {
        all.push(image(options.mask.addr(), &options.mask_layout, shape, false));
    }
    match arguments.function {
        Function::Forward => all.extend([numbers(arguments.ssim, values, true), saved(true)]),
        Function::Backward => {
            all.extend([saved(false), numbers(arguments.grad_ssim, values, false)]);
            all.extend(grads);
        }
        Function::ValueAndGrad => {
            all.push(numbers(arguments.ssim, values, true));
            all.extend(grads);
        }
        Function::Loss => {
            all.push(numbers(arguments.ssim, 3 * values, true));
            all.extend(grads);
        }
    }
    all.retain(|piece| piece.address != 0);
    all
}

fn alignment_and_overlap(pieces: &[Piece]) -> Result<(), i32> {
    if pieces.iter().any(|piece| piece.address.checked_add(piece.bytes).is_none()) {
        return Err(capi::ERROR_LAYOUT);
    }
    if pieces.iter().any(|piece| piece.address % piece.alignment != 0) {
        return Err(capi::ERROR_ALIGNMENT);
    }
    for (i, first) in pieces.iter().enumerate() {
        for second in &pieces[i + 1..] {
            let apart = first.bytes == 0
                || second.bytes == 0
                || first.address + first.bytes <= second.address
                || second.address + second.bytes <= first.address;
            if (first.output || second.output) && !apart {
                return Err(capi::ERROR_OVERLAP);
            }
        }
    }
    Ok(())
}

fn check<W: World>(arguments: &Arguments, world: &W) -> Result<(), i32> {
    let refuse = |wrong: bool, status: i32| if wrong { Err(status) } else { Ok(()) };
    let no_gradient = arguments.grad_img1 == 0 && arguments.grad_img2 == 0;
    let missing = arguments.img1 == 0
        || arguments.img2 == 0
        || match arguments.function {
            Function::Forward | Function::Loss => arguments.ssim == 0,
            Function::Backward => no_gradient,
            Function::ValueAndGrad => arguments.ssim == 0 || no_gradient,
        };
    refuse(missing, capi::ERROR_NULL_POINTER)?;
    struct_size(arguments)?;
    let (options, shape, wanted) = (arguments.effective_options(), arguments.shape, arguments.wanted());
    shape_and_options(&options, shape)?;
    let kept = [options.saved_for & 1 != 0, options.saved_for & 2 != 0];
    let not_kept = wanted[0] && !kept[0] || wanted[1] && !kept[1];
    refuse(arguments.function == Function::Backward && arguments.saved != 0 && not_kept, capi::ERROR_OPTION)?;
    let terms = (0..=1).contains(&arguments.pixel_loss) && (0.0..=1.0).contains(&arguments.lambda);
    let loss_of_a_map = options.reduction == capi::REDUCTION_MAP;
    refuse(arguments.function == Function::Loss && (!terms || loss_of_a_map), capi::ERROR_OPTION)?;
    layouts(&options, shape, wanted)?;
    unsupported(&options)?;
    let map_of_a_shard = options.reduction == capi::REDUCTION_MAP && options.shard_height > 0;
    let upstream = arguments.function == Function::Backward && arguments.grad_ssim != 0;
    refuse(upstream && map_of_a_shard, capi::ERROR_UNSUPPORTED)?;
    let mut pieces = pieces(arguments);
    alignment_and_overlap(&pieces)?;

    // The first addresses and the upper half of all are never a process's.
    let nobodys = |address: usize| !(1 << 16..usize::MAX / 2).contains(&address);
    let foreign = |piece: &Piece| Some(piece.address) == world.foreign() || nobodys(piece.address);
    if !W::CUDA {
        let no_cuda = if world.has_driver() { capi::ERROR_DEVICE } else { capi::ERROR_NO_CUDA };
        refuse(options.device == capi::DEVICE_CUDA, no_cuda)?;
        return refuse(arguments.streamed && !arguments.stream.is_null(), capi::ERROR_STREAM);
    }
    refuse(options.device == capi::DEVICE_CPU || pieces.iter().any(foreign), capi::ERROR_DEVICE)?;
    refuse(options.img1.dtype == capi::DTYPE_F64, capi::ERROR_UNSUPPORTED)?;
    if arguments.streamed {
        let bytes = capi::workspace_bytes(shape, &options);
        refuse(arguments.workspace == 0 || arguments.workspace_bytes < bytes, capi::ERROR_WORKSPACE)?;
        let workspace = Piece { address: arguments.workspace, bytes, alignment: 16, output: true };
        let elsewhere = foreign(&workspace);
        pieces.push(workspace);
        alignment_and_overlap(&pieces)?;
        refuse(elsewhere, capi::ERROR_DEVICE)?;
    }
    Ok(())
}

/// The status that a call must have.
pub fn status<W: World>(arguments: &Arguments, world: &W) -> i32 {
    check(arguments, world).err().unwrap_or(capi::OK)
}

impl Arguments {
    /// Whether a call that is not refused keeps to the memory of the world, and ends soon.
    pub fn stays_inside<W: World>(&self, world: &W) -> bool {
        let arena = world.arena() + SPARE..world.arena() + ARENA;
        let inside = |piece: &Piece| piece.address >= arena.start && piece.address + piece.bytes <= arena.end;
        let [n, c, h, w] = self.shape.map(|size| size as usize);
        let workspace = !W::CUDA || !self.streamed || self.workspace == world.workspace(self.workspace_bytes);
        pieces(self).iter().all(inside) && n * c * h * w <= SOON && workspace
    }
}
