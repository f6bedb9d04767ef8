//! The arguments of a call, and valid ones of every kind.

use std::ffi::c_void;
use std::ptr;

use super::{ARENA, Choices, Function, World, elements};
use crate::capi::{self, fssim_layout, fssim_options};

/// Which `options` a call is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    Options,
    Null,
    /// One byte past their place.
    Misaligned,
}

/// The arguments of a call; pointers are addresses, 0 is NULL.
#[derive(Debug, Clone)]
pub struct Arguments {
    pub function: Function,
    /// Whether it is the `_stream` form.
    pub streamed: bool,
    pub shape: [i64; 4],
    pub options: fssim_options,
    pub given: Given,
    pub img1: usize,
    pub img2: usize,
    /// Of `fssim_loss`, the loss.
    pub ssim: usize,
    pub saved: usize,
    pub grad_ssim: usize,
    pub grad_img1: usize,
    pub grad_img2: usize,
    pub pixel_loss: i32,
    pub lambda: f64,
    pub workspace: usize,
    pub workspace_bytes: usize,
    pub stream: *mut c_void,
    /// Whether an image is constant over its planes, where gradients are small differences.
    pub smooth: bool,
}

impl Arguments {
    /// The options that the library sees.
    pub fn options_pointer(&self) -> *const fssim_options {
        match self.given {
            Given::Options => &self.options,
            Given::Null => ptr::null(),
            Given::Misaligned => (&raw const self.options).wrapping_byte_add(1),
        }
    }

    /// The options that it takes.
    pub fn effective_options(&self) -> fssim_options {
        if self.given == Given::Null { fssim_options::default() } else { self.options }
    }

    pub fn pointers(&mut self) -> [&mut usize; 7] {
        [
            &mut self.img1,
            &mut self.img2,
            &mut self.ssim,
            &mut self.saved,
            &mut self.grad_ssim,
            &mut self.grad_img1,
            &mut self.grad_img2,
        ]
    }

    /// The gradients that are asked for.
    pub fn wanted(&self) -> [bool; 2] {
        let has = self.function != Function::Forward;
        [has && self.grad_img1 != 0, has && self.grad_img2 != 0]
    }

    pub fn invoke(&self) -> i32 {
        let [n, c, h, w] = self.shape;
        let options = self.options_pointer();
        let at = |address: usize| ptr::with_exposed_provenance_mut::<c_void>(address);
        let (x, y) = (at(self.img1).cast_const(), at(self.img2).cast_const());
        let (ssim, saved, upstream) = (at(self.ssim).cast::<f32>(), at(self.saved), at(self.grad_ssim).cast::<f32>());
        let (first, second) = (at(self.grad_img1), at(self.grad_img2));
        let (workspace, bytes, stream) = (at(self.workspace), self.workspace_bytes, self.stream);
        let (pixel, lambda) = (self.pixel_loss, self.lambda);
        // SAFETY: memory of the world as large as the arguments say, or arguments that are refused before it is used.
        unsafe {
            match (self.function, self.streamed) {
                (Function::Forward, false) => capi::fssim_forward(x, y, n, c, h, w, options, ssim, saved),
                (Function::Forward, true) => {
                    capi::fssim_forward_stream(x, y, n, c, h, w, options, ssim, saved, workspace, bytes, stream)
                }
                (Function::Backward, false) => {
                    capi::fssim_backward(x, y, n, c, h, w, options, saved, upstream, first, second)
                }
                (Function::Backward, true) => capi::fssim_backward_stream(
                    x, y, n, c, h, w, options, saved, upstream, first, second, workspace, bytes, stream,
                ),
                (Function::ValueAndGrad, false) => {
                    capi::fssim_value_and_grad(x, y, n, c, h, w, options, ssim, first, second)
                }
                (Function::ValueAndGrad, true) => capi::fssim_value_and_grad_stream(
                    x, y, n, c, h, w, options, ssim, first, second, workspace, bytes, stream,
                ),
                (Function::Loss, false) => {
                    capi::fssim_loss(x, y, n, c, h, w, options, pixel, lambda, ssim, first, second)
                }
                (Function::Loss, true) => capi::fssim_loss_stream(
                    x, y, n, c, h, w, options, pixel, lambda, ssim, first, second, workspace, bytes, stream,
                ),
            }
        }
    }
}

/// Elements of an image at most.
const PIXELS: usize = 4000;
/// Bytes at the start of the arena that no argument lies in.
pub const SPARE: usize = 1 << 16;

/// The memory of a call while it is laid out.
struct Builder {
    base: usize,
    /// What is free.
    next: usize,
    end: usize,
    memory: Vec<u8>,
}

impl Builder {
    /// Room for `bytes`, at a multiple of `alignment` and often of nothing more; the address. One argument lies at the very
    /// end of the arena.
    fn place(&mut self, choices: &mut Choices, bytes: usize, alignment: usize) -> usize {
        if self.end == ARENA && choices.one_in(4) {
            self.end = (ARENA - bytes) / alignment * alignment;
            return self.base + self.end;
        }
        let gap = choices.of(&[0, 1, 3, 16, 37]) * alignment;
        let start = self.next.next_multiple_of(alignment) + gap;
        self.next = start + bytes;
        assert!(self.next <= self.end, "the arena is too small");
        self.base + start
    }

    /// Writes an element of a layout.
    fn put(&mut self, address: usize, layout: &fssim_layout, offset: usize, value: f64) {
        let at = address - self.base + offset * elements::size(layout.dtype);
        let bytes = elements::encode(layout.dtype, value);
        self.memory[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

/// The strides that a layout stands for.
pub fn resolved(layout: &fssim_layout, [_, c, h, w]: [usize; 4]) -> [usize; 4] {
    match layout.strides {
        [0, 0, 0, 0] => [c * h * w, h * w, w, 1],
        strides => strides.map(|stride| stride as usize),
    }
}

/// The offset of every element, in the order N, C, H, W.
pub fn offsets(layout: &fssim_layout, size: [usize; 4]) -> Vec<usize> {
    let ([n, c, h, w], [sn, sc, sh, sw]) = (size, resolved(layout, size));
    let mut all = Vec::with_capacity(n * c * h * w);
    for i in 0..n * c * h {
        let row = i / h / c * sn + i / h % c * sc + i % h * sh;
        all.extend((0..w).map(|column| row + column * sw));
    }
    all
}

fn extent(layout: &fssim_layout, size: [usize; 4]) -> usize {
    size.iter().zip(resolved(layout, size)).map(|(size, stride)| (size - 1) * stride).sum::<usize>() + 1
}

/// Random strides without overlap, for an input in places zero.
fn layout(choices: &mut Choices, size: [usize; 4], dtype: i32, input: bool) -> fssim_layout {
    let dense = fssim_layout { dtype, reserved: 0, scale: 0.0, strides: [0; 4] };
    if choices.one_in(3) {
        return dense;
    }
    // Axes from the fastest: planes, channels last, Julia's (h, w, c, n), or anything.
    let mut order = choices.of(&[[3, 2, 1, 0], [3, 2, 1, 0], [1, 3, 2, 0], [2, 3, 1, 0], [0, 1, 3, 2], [3, 0, 2, 1]]);
    if choices.one_in(6) {
        order.swap(choices.below(4), choices.below(4));
    }
    let mut step = choices.of(&[1, 1, 1, 2]);
    let mut strides = [0; 4];
    for axis in order {
        strides[axis] = step as i64;
        step = step * size[axis] + choices.of(&[0, 0, 0, 1, 4, 5]);
        if size[axis] == 1 && choices.one_in(8) {
            // Never multiplied by anything but 0.
            strides[axis] = choices.of(&[0, 1, 7, 1 << 33, i64::MAX]);
        }
    }
    if input {
        for stride in &mut strides {
            if choices.one_in(12) {
                *stride = 0;
            }
        }
        if strides == [0; 4] {
            return dense;
        }
    }
    fssim_layout { strides, ..dense }
}

/// How many rows around its own a shard of `h` rows brings, and the height of the whole image.
fn shard(choices: &mut Choices, options: &mut fssim_options, h: usize) {
    let needed = options.window_size as usize - 1;
    let place = choices.below(4);
    // Towards the rest of the image all rows that windows see, or more; towards the border any number.
    let mut rows = |borders: bool| if borders { choices.below(4) } else { needed + choices.below(3) };
    let (above, below, height) = match place {
        0 => (rows(true), rows(true), h),
        1 => (rows(true), rows(false), h + 7),
        2 => (rows(false), rows(true), h + 20),
        _ => (rows(false), rows(false), h + 50),
    };
    if above + below < h {
        options.shard_rows_above = above as i64;
        options.shard_rows_below = below as i64;
        options.shard_height = height as i64;
    } else {
        options.shard_height = h as i64;
    }
    let weighted = options.mask_mode != 0 && options.mask_mode != capi::MASK_MULTIPLY_INPUTS;
    if choices.one_in(3) || weighted && options.reduction != capi::REDUCTION_MAP {
        options.shard_divisor = 0.5 + 5000.0 * choices.unit();
    }
}

/// A size of images with at most PIXELS elements.
fn size(choices: &mut Choices) -> [usize; 4] {
    let (mut h, w) = match choices.below(8) {
        0 => (choices.between(1, 6), choices.between(1, 300)),
        1 => (choices.between(1, 200), choices.between(1, 13)),
        2 => (choices.between(1, 12), choices.between(1, 12)),
        _ => (choices.between(1, 48), choices.between(1, 80)),
    };
    h = h.min(PIXELS / w);
    let c = choices.between(1, (PIXELS / h / w).min(4));
    [choices.between(1, (PIXELS / h / w / c).min(3)), c, h, w]
}

/// A valid call and the arena's bytes for it: NaN wherever nothing is to be read.
pub fn valid<W: World>(choices: &mut Choices, world: &W) -> (Arguments, Vec<u8>) {
    let size @ [_, c, h, w] = size(choices);
    let mut options = fssim_options {
        device: choices.of(&[0, if W::CUDA { capi::DEVICE_CUDA } else { capi::DEVICE_CPU }]),
        reduction: choices.below(4) as i32,
        output: choices.below(3) as i32,
        saved_for: choices.between(1, 3) as i32,
        ..fssim_options::default()
    };
    if choices.one_in(2) {
        options.window = choices.below(2) as i32;
        options.window_size = if choices.one_in(3) { 11 } else { 3 + 2 * choices.below(16) as i32 };
        options.sigma = choices.of(&[0.4, 0.8, 1.5]) + 2.0 * choices.unit().powi(2);
    }
    if choices.one_in(4) {
        options.data_range = choices.of(&[255.0, 3.0, 0.01, 1e4]);
        (options.k1, options.k2) = (choices.of(&[0.01, 0.03]), choices.of(&[0.03, 0.1]));
    }
    let window = options.window_size as usize;
    options.padding = i32::from(h >= window && w >= window && choices.one_in(2));
    let double = choices.one_in(10);
    let image = |choices: &mut Choices, input: bool, size| {
        let narrow = [0, 0, 0, capi::DTYPE_F16, capi::DTYPE_BF16, capi::DTYPE_U8];
        let dtype = if double { capi::DTYPE_F64 } else { choices.of(&narrow[..if input { 6 } else { 5 }]) };
        layout(choices, size, dtype, input)
    };
    options.img1 = image(choices, true, size);
    options.img2 = image(choices, true, size);
    let function = choices.of(&[Function::Forward, Function::Backward, Function::ValueAndGrad, Function::Loss]);
    if function == Function::Loss {
        options.reduction = choices.below(3) as i32;
    }
    if choices.one_in(2) {
        options.mask_mode = choices.between(1, 3) as i32;
        let dtype = choices.of(&[0, capi::DTYPE_U8]);
        options.mask_layout = layout(choices, size, dtype, true);
        if choices.one_in(2) && options.mask_layout.strides != [0; 4] && (h > 1 || w > 1) {
            options.mask_layout.strides[1] = 0;
        }
        if options.mask_layout.strides == [0; 4] {
            options.mask_layout.strides = [(c * h * w) as i64, 0, w as i64, 1];
        }
    }
    if choices.one_in(4) {
        let weighted = options.mask_mode != 0 && options.mask_mode != capi::MASK_MULTIPLY_INPUTS;
        if weighted && options.reduction != capi::REDUCTION_MAP {
            options.reduction = 0;
        }
        shard(choices, &mut options, h);
    }
    let owned_rows = h - (options.shard_rows_above + options.shard_rows_below) as usize;
    let owned = [size[0], c, owned_rows, w];
    options.grad_img1 = image(choices, false, owned);
    options.grad_img2 = image(choices, false, owned);

    let mut builder = Builder { base: world.arena(), next: SPARE, end: ARENA, memory: vec![0xff; ARENA] };
    let mut smooth = false;
    let images = [0, 1].map(|which| {
        let layout = if which == 0 { &mut options.img1 } else { &mut options.img2 };
        let bytes = layout.dtype == capi::DTYPE_U8;
        let default = if bytes { options.data_range / 255.0 } else { 1.0 };
        if choices.one_in(4) {
            layout.scale = default * (0.5 + choices.unit() / 2.0);
        }
        let scale = if layout.scale == 0.0 { default } else { layout.scale };
        let element = elements::size(layout.dtype);
        let address = builder.place(choices, extent(layout, size) * element, element);
        let [_, _, sh, sw] = resolved(layout, size);
        smooth |= (sh == 0 || h == 1) && (sw == 0 || w == 1);
        for offset in offsets(layout, size) {
            let pixel = choices.unit() * options.data_range;
            builder.put(address, layout, offset, if bytes { 256.0 * choices.unit() } else { pixel / scale });
        }
        address
    });
    if options.mask_mode != 0 {
        let layout = options.mask_layout;
        let element = elements::size(layout.dtype);
        let address = builder.place(choices, extent(&layout, size) * element, element);
        let empty = choices.one_in(12);
        for offset in offsets(&layout, size) {
            let weight = if empty || choices.one_in(4) { 0.0 } else { 0.1 + choices.unit() };
            let value = if layout.dtype == capi::DTYPE_U8 { (weight * 200.0).ceil() } else { weight };
            builder.put(address, &layout, offset, value);
        }
        options.mask = ptr::with_exposed_provenance(address);
    }
    let precise = elements::size(if double { capi::DTYPE_F64 } else { 0 });
    // Of a shard under `valid` padding the map may be smaller, and a loss has three values for each.
    let values = if options.reduction == capi::REDUCTION_MAP { size[0] * c * owned_rows * w } else { 3 * size[0] * c };
    let ssim = builder.place(choices, values * precise, precise);
    let grad_ssim = builder.place(choices, values * precise, precise);
    for i in 0..values {
        let layout = fssim_layout { dtype: if double { capi::DTYPE_F64 } else { 0 }, ..fssim_options::default().img1 };
        builder.put(grad_ssim, &layout, i, 2.0 * choices.unit() - 1.0);
    }
    let mut gradient = |choices: &mut Choices, layout: &fssim_layout| {
        let element = elements::size(layout.dtype);
        builder.place(choices, extent(layout, owned) * element, element)
    };
    let grads = [gradient(choices, &options.grad_img1), gradient(choices, &options.grad_img2)];
    let shape = size.map(|size| size as i64);
    let saved_bytes = capi::saved_bytes(shape, &options);
    let saved = builder.place(choices, saved_bytes, 16);

    let needs_gradient = matches!(function, Function::Backward | Function::ValueAndGrad);
    let keeps = [options.saved_for & 1 != 0, options.saved_for & 2 != 0];
    let saves = choices.one_in(2) && matches!(function, Function::Forward | Function::Backward);
    let mut wanted = choices.of(&[[true, false], [false, true], [true, true], [false, false]]);
    if saves && function == Function::Backward {
        wanted = [wanted[0] && keeps[0], wanted[1] && keeps[1]];
    }
    if needs_gradient && wanted == [false; 2] {
        wanted = if saves { keeps } else { [true; 2] };
    }
    let upstream_map_of_a_shard = options.shard_height > 0 && options.reduction == capi::REDUCTION_MAP;
    let streamed = choices.one_in(2);
    let workspace_bytes = capi::workspace_bytes(shape, &options);
    let arguments = Arguments {
        function,
        streamed,
        shape,
        options,
        given: Given::Options,
        img1: images[0],
        img2: images[1],
        ssim,
        saved: if saves { saved } else { 0 },
        grad_ssim: if choices.one_in(2) && !upstream_map_of_a_shard { grad_ssim } else { 0 },
        grad_img1: if wanted[0] { grads[0] } else { 0 },
        grad_img2: if wanted[1] { grads[1] } else { 0 },
        pixel_loss: choices.below(2) as i32,
        lambda: choices.of(&[0.2, 0.2, 0.0, 1.0, 0.85]),
        workspace: if streamed { world.workspace(workspace_bytes) } else { 0 },
        workspace_bytes,
        stream: world.stream(),
        smooth,
    };
    let memory = builder.memory;
    (arguments, memory)
}
