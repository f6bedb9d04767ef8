//! One set of images and options on the device, run in every way the C API offers and compared with the f64 oracle.

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, expect_ok, fssim_options};
use crate::device::{Floats, Stream};
use crate::elements::{Dtype, Elements};
pub use crate::layouts::{Layout, Mask};
use crate::support::oracle::{Answer, MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, Window};
use crate::support::{Kind, Size, absolute_error, images, relative_error, to_f64, upstream};

/// What the C header promises: for values, for the pixels of a map, for gradients, and for gradients where the difference
/// of the images is smooth.
const VALUE_TOLERANCE: f64 = 1e-6;
const MAP_TOLERANCE: f64 = 5e-6;
const GRADIENT_TOLERANCE: f64 = 2e-6;
const SMOOTH_GRADIENT_TOLERANCE: f64 = 1e-3;

/// The gradient of a map pixel below which the oracle's own rounding shows: that of identical images is zero.
const NO_GRADIENT: f64 = 1e-10;

/// What to compute, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    pub oracle: Oracle,
    /// Of img1, img2, grad_img1 and grad_img2.
    pub layouts: [Layout; 4],
    /// Of the same.
    pub dtypes: [Dtype; 4],
    /// Of img1 and img2; 0: the default.
    pub scales: [f64; 2],
    /// Whether the gradients are those of a weighted sum of the values, instead of their sum.
    pub upstream: bool,
    pub saved_for: i32,
    pub mask: Option<Mask>,
    /// Elements past a 256-byte boundary at which images, values and gradients start.
    pub offset: usize,
}

impl Case {
    pub fn new(kind: Kind, [n, c, h, w]: Size) -> Self {
        Case {
            kind,
            oracle: Oracle::new(n, c, h, w),
            layouts: [Layout::Dense; 4],
            dtypes: [Dtype::F32; 4],
            scales: [0.0; 2],
            upstream: false,
            saved_for: capi::SAVE_FOR_IMG1 | capi::SAVE_FOR_IMG2,
            mask: None,
            offset: 0,
        }
    }

    pub fn size(&self) -> Size {
        [self.oracle.n, self.oracle.c, self.oracle.h, self.oracle.w]
    }

    /// Over how many pixels a value is a mean.
    fn pixels_per_value(&self) -> usize {
        self.oracle.n * self.oracle.c * self.oracle.map_pixels() / self.oracle.values()
    }

    fn options(&self) -> fssim_options {
        let [scale1, scale2] = self.scales;
        let scales = [scale1, scale2, 0.0, 0.0];
        let layouts = [0, 1, 2, 3].map(|i| self.layouts[i].for_c(self.size(), self.dtypes[i], scales[i]));
        fssim_options {
            device: capi::DEVICE_CUDA,
            padding: if self.oracle.padding == Padding::Valid { capi::PADDING_VALID } else { 0 },
            reduction: match self.oracle.reduction {
                Reduction::Mean => 0,
                Reduction::PerImage => capi::REDUCTION_PER_IMAGE,
                Reduction::PerChannel => capi::REDUCTION_PER_CHANNEL,
                Reduction::Map => capi::REDUCTION_MAP,
            },
            output: match self.oracle.output {
                Output::ONE_MINUS_SSIM => capi::OUTPUT_ONE_MINUS_SSIM,
                Output::DSSIM => capi::OUTPUT_DSSIM,
                _ => 0,
            },
            window: i32::from(matches!(self.oracle.window, Window::Uniform(_))),
            window_size: self.oracle.window.size() as i32,
            sigma: self.oracle.sigma,
            data_range: self.oracle.data_range,
            k1: self.oracle.k1,
            k2: self.oracle.k2,
            img1: layouts[0],
            img2: layouts[1],
            grad_img1: layouts[2],
            grad_img2: layouts[3],
            saved_for: self.saved_for,
            ..fssim_options::default()
        }
    }

    /// What the elements of img1 or img2 are multiplied by.
    fn scale(&self, which: usize) -> f64 {
        let default = self.dtypes[which].default_scale(self.oracle.data_range);
        if self.scales[which] == 0.0 { default } else { self.scales[which] }
    }

    /// The images' elements, dense; multiplied by the scales they are in the data range.
    pub fn images(&self) -> [Vec<f32>; 2] {
        let (img1, img2) = images(self.kind, self.size());
        let elements = |which: usize, image: Vec<f32>| {
            let factor = (self.oracle.data_range / self.scale(which)) as f32;
            image.iter().map(|pixel| self.dtypes[which].round_down(pixel * factor)).collect()
        };
        [elements(0, img1), elements(1, img2)]
    }

    /// The images' pixels, exactly.
    pub fn pixels(&self) -> [Vec<f64>; 2] {
        let [img1, img2] = self.images().map(|image| to_f64(&image));
        let scaled = |which: usize, image: Vec<f64>| image.iter().map(|element| element * self.scale(which)).collect();
        [scaled(0, img1), scaled(1, img2)]
    }

    /// The oracle's gradients with respect to the elements.
    pub fn answer(&self, upstream: Option<&[f64]>) -> Answer {
        let [img1, img2] = self.pixels();
        let mut answer = match self.mask.map(|mask| mask.weights(self.size())) {
            None => self.oracle.answer(&img1, &img2, upstream),
            Some(weights) => self.oracle.answer_masked(&img1, &img2, &weights, MaskMode::WeightedMean, upstream),
        };
        answer.grad_img1.iter_mut().for_each(|element| *element *= self.scale(0));
        answer.grad_img2.iter_mut().for_each(|element| *element *= self.scale(1));
        answer
    }
}

/// How a call is made.
#[derive(Clone, Copy)]
pub enum Mode<'a> {
    /// The plain, synchronous form.
    Synchronous,
    /// The `_stream` form on a stream of the test.
    On(&'a Stream),
    /// The `_stream` form on a default stream: NULL, 1 (legacy) or 2 (per thread).
    Default(usize),
}

/// Values and gradients as dense arrays; a gradient that was not asked for is None.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub ssim: Vec<f32>,
    pub grads: [Option<Vec<f32>>; 2],
}

impl Outcome {
    /// Every number's bits, to tell whether two runs are the same.
    pub fn bits(&self) -> Vec<u32> {
        let grads = self.grads.iter().flatten().flatten();
        self.ssim.iter().chain(grads).map(|value| value.to_bits()).collect()
    }
}

/// A case whose images are in device memory.
pub struct Session {
    pub case: Case,
    pub options: fssim_options,
    pub images: [Elements; 2],
    pub workspace: Floats,
    upstream: Option<Floats>,
    /// Kept for the address in the options.
    _mask: Option<Elements>,
}

/// Calls the plain or the `_stream` form of a function, as the mode says, and waits for it.
macro_rules! call {
    ($session:expr, $mode:expr, $plain:ident, $stream:ident, ($($argument:expr),*)) => {{
        let (session, [n, c, h, w]) = ($session, $session.shape());
        let [img1, img2] = session.images.each_ref().map(|image| image.address().cast_const());
        // SAFETY: every pointer is device memory of the size that the options ask for, and lives until the end of the call
        // or the synchronisation below.
        unsafe {
            match $mode {
                Mode::Synchronous => {
                    expect_ok(capi::$plain(img1, img2, n, c, h, w, &session.options, $($argument),*));
                }
                Mode::On(stream) => {
                    session.workspace.poison();
                    let (workspace, bytes) = session.workspace();
                    expect_ok(capi::$stream(
                        img1, img2, n, c, h, w, &session.options, $($argument),*, workspace, bytes, stream.handle()
                    ));
                    stream.synchronize();
                }
                Mode::Default(handle) => {
                    session.workspace.poison();
                    let (workspace, bytes) = session.workspace();
                    let stream = ptr::without_provenance_mut(handle);
                    expect_ok(capi::$stream(
                        img1, img2, n, c, h, w, &session.options, $($argument),*, workspace, bytes, stream
                    ));
                    crate::device::synchronize_default(handle);
                }
            }
        }
    }};
}

impl Session {
    pub fn new(case: Case) -> Self {
        let mask = case.mask.map(|mask| {
            let (size, dtype) = (mask.size(case.size()), mask.dtype);
            let memory = mask.layout.scatter(size, dtype, &mask.elements(case.size()));
            Elements::of_at(case.offset * dtype.bytes(), &memory)
        });
        let options = match (&mask, case.mask) {
            (Some(memory), Some(mask)) => fssim_options {
                mask_mode: capi::MASK_WEIGHTED_MEAN,
                mask: memory.address().cast_const(),
                mask_layout: mask.layout(case.size()),
                ..case.options()
            },
            _ => case.options(),
        };
        let [img1, img2] = case.images();
        let place = |which: usize, image: &[f32]| {
            let dtype = case.dtypes[which];
            Elements::of_at(case.offset * dtype.bytes(), &case.layouts[which].scatter(case.size(), dtype, image))
        };
        let mut session = Session {
            case,
            options,
            images: [place(0, &img1), place(1, &img2)],
            workspace: Floats::poisoned(0),
            upstream: case.upstream.then(|| Floats::of_at(case.offset, &upstream(case.oracle.values()))),
            _mask: mask,
        };
        let bytes = capi::workspace_bytes(session.shape(), &options);
        session.workspace = Floats::poisoned(bytes.div_ceil(4));
        session
    }

    pub fn shape(&self) -> [i64; 4] {
        self.case.size().map(|size| size as i64)
    }

    /// Address and size of the workspace.
    pub fn workspace(&self) -> (*mut c_void, usize) {
        (self.workspace.address(), self.workspace.len() * 4)
    }

    /// Memory for the values.
    pub fn values(&self) -> Floats {
        Floats::poisoned_at(self.case.offset, self.case.oracle.values())
    }

    /// Memory for gradient 0 or 1.
    pub fn gradient(&self, which: usize) -> Elements {
        let bytes = self.case.dtypes[2 + which].bytes();
        Elements::poisoned_at(self.case.offset * bytes, self.case.layouts[2 + which].extent(self.case.size()) * bytes)
    }

    /// The gradient in such memory, dense.
    #[track_caller]
    pub fn read_gradient(&self, which: usize, memory: &Elements) -> Vec<f32> {
        self.case.layouts[2 + which].gather(self.case.size(), self.case.dtypes[2 + which], memory)
    }

    /// Puts other images in the place of the first.
    pub fn replace_images(&self, replacement: &[Vec<f32>; 2]) {
        for (i, image) in replacement.iter().enumerate() {
            self.images[i].write(&self.case.layouts[i].scatter(self.case.size(), self.case.dtypes[i], image));
        }
    }

    pub fn forward(&self, mode: Mode<'_>) -> Vec<f32> {
        let ssim = self.values();
        call!(self, mode, fssim_forward, fssim_forward_stream, (ssim.floats(), ptr::null_mut()));
        ssim.read()
    }

    /// The values, and what a gradient needs.
    pub fn forward_saving(&self, mode: Mode<'_>) -> (Vec<f32>, Floats) {
        let ssim = self.values();
        let saved = Floats::poisoned(capi::saved_bytes(self.shape(), &self.options) / 4);
        call!(self, mode, fssim_forward, fssim_forward_stream, (ssim.floats(), saved.address()));
        (ssim.read(), saved)
    }

    /// The wanted gradients, from what `forward_saving` left or from nothing.
    pub fn backward(&self, mode: Mode<'_>, saved: Option<&Floats>, wanted: [bool; 2]) -> [Option<Vec<f32>>; 2] {
        let grads = [0, 1].map(|which| wanted[which].then(|| self.gradient(which)));
        let [grad1, grad2] = grads.each_ref().map(|grad| grad.as_ref().map_or(ptr::null_mut(), Elements::address));
        let saved = saved.map_or(ptr::null(), |saved| saved.address().cast_const());
        let upstream = self.upstream.as_ref().map_or(ptr::null(), |upstream| upstream.floats().cast_const());
        call!(self, mode, fssim_backward, fssim_backward_stream, (saved, upstream, grad1, grad2));
        [0, 1].map(|which| grads[which].as_ref().map(|grad| self.read_gradient(which, grad)))
    }

    pub fn value_and_grad(&self, mode: Mode<'_>, wanted: [bool; 2]) -> Outcome {
        let ssim = self.values();
        let grads = [0, 1].map(|which| wanted[which].then(|| self.gradient(which)));
        let [grad1, grad2] = grads.each_ref().map(|grad| grad.as_ref().map_or(ptr::null_mut(), Elements::address));
        call!(self, mode, fssim_value_and_grad, fssim_value_and_grad_stream, (ssim.floats(), grad1, grad2));
        let grads = [0, 1].map(|which| grads[which].as_ref().map(|grad| self.read_gradient(which, grad)));
        Outcome { ssim: ssim.read(), grads }
    }

    /// A loss: the losses, then the pixel losses, then the dissimilarities.
    pub fn loss(&self, mode: Mode<'_>, pixel: PixelLoss, lambda: f64, wanted: [bool; 2]) -> Outcome {
        let values = Floats::poisoned_at(self.case.offset, 3 * self.case.oracle.values());
        let grads = [0, 1].map(|which| wanted[which].then(|| self.gradient(which)));
        let [grad1, grad2] = grads.each_ref().map(|grad| grad.as_ref().map_or(ptr::null_mut(), Elements::address));
        let pixel = if pixel == PixelLoss::L1 { capi::PIXEL_L1 } else { capi::PIXEL_L2 };
        call!(self, mode, fssim_loss, fssim_loss_stream, (pixel, lambda, values.floats(), grad1, grad2));
        let grads = [0, 1].map(|which| grads[which].as_ref().map(|grad| self.read_gradient(which, grad)));
        Outcome { ssim: values.read(), grads }
    }

    /// A loss with every set of gradients, each compared with the oracle. The case's output is the dissimilarity.
    #[track_caller]
    pub fn check_loss(&self, mode: Mode<'_>, pixel: PixelLoss, lambda: f64) {
        let [img1, img2] = self.case.pixels();
        let weights = self.case.mask.map(|mask| mask.weights(self.case.size()));
        let weights = weights.as_deref().map(|weights| (weights, MaskMode::WeightedMean));
        let want = self.case.oracle.loss(&img1, &img2, weights, pixel, lambda);
        let scaled = |which: usize, grad: &[f64]| grad.iter().map(|element| element * self.case.scale(which)).collect();
        let want = Answer {
            grad_img1: scaled(0, &want.grad_img1),
            grad_img2: scaled(1, &want.grad_img2),
            ssim: [want.loss, want.pixel, want.dissimilarity].concat(),
        };
        let mut comparison = Comparison { case: self.case, want, faults: Vec::new() };
        // Pixel losses are in the unit of the pixels.
        let unit = self.case.oracle.data_range.max(1.0).powi(if pixel == PixelLoss::L2 { 2 } else { 1 });
        for wanted in [[false, false], [true, false], [false, true], [true, true]] {
            let outcome = self.loss(mode, pixel, lambda, wanted);
            comparison.value_within(&format!("loss with gradients {wanted:?}"), &outcome.ssim, VALUE_TOLERANCE * unit);
            comparison.gradients("loss", &outcome.grads);
        }
        assert!(
            comparison.faults.is_empty(),
            "{pixel:?}, {lambda}, {:?}:\n{}",
            self.case,
            comparison.faults.join("\n")
        );
    }

    /// Enqueues value and gradient of img1 on a stream, for memory that the test keeps.
    #[track_caller]
    pub fn enqueue_value_and_grad(&self, ssim: &Floats, grad: &Elements, stream: &Stream) {
        let [n, c, h, w] = self.shape();
        let [img1, img2] = self.images.each_ref().map(|image| image.address().cast_const());
        let (workspace, bytes) = self.workspace();
        let (ssim, grad, none, stream) = (ssim.floats(), grad.address(), ptr::null_mut(), stream.handle());
        let options = &self.options;
        // SAFETY: device memory of the right sizes, which the test keeps until it has synchronised.
        expect_ok(unsafe {
            capi::fssim_value_and_grad_stream(
                img1, img2, n, c, h, w, options, ssim, grad, none, workspace, bytes, stream,
            )
        });
    }

    /// Everything that the three functions compute, each compared with the oracle.
    #[track_caller]
    pub fn check(&self, mode: Mode<'_>) {
        let weights = self.upstream.as_ref().map(|weights| to_f64(&weights.read()));
        let want = self.case.answer(weights.as_deref());
        let mut comparison = Comparison { case: self.case, want, faults: Vec::new() };
        comparison.value("forward", &self.forward(mode));
        let (ssim, saved) = self.forward_saving(mode);
        comparison.value("forward with saved", &ssim);
        let served = [capi::SAVE_FOR_IMG1, capi::SAVE_FOR_IMG2].map(|image| self.case.saved_for & image != 0);
        comparison.gradients("backward from saved", &self.backward(mode, Some(&saved), served));
        comparison.gradients("backward", &self.backward(mode, None, [true, true]));
        if self.upstream.is_none() {
            for wanted in [[true, true], [true, false], [false, true]] {
                let outcome = self.value_and_grad(mode, wanted);
                comparison.value("value_and_grad", &outcome.ssim);
                comparison.gradients("value_and_grad", &outcome.grads);
            }
        }
        assert!(comparison.faults.is_empty(), "{:?}:\n{}", self.case, comparison.faults.join("\n"));
    }
}

/// The oracle's answer, and what does not agree with it.
struct Comparison {
    case: Case,
    want: Answer,
    faults: Vec<String>,
}

impl Comparison {
    fn value(&mut self, what: &str, got: &[f32]) {
        let tolerance = if self.case.oracle.reduction == Reduction::Map { MAP_TOLERANCE } else { VALUE_TOLERANCE };
        self.value_within(what, got, tolerance);
    }

    fn value_within(&mut self, what: &str, got: &[f32], tolerance: f64) {
        let error = absolute_error(got, &self.want.ssim);
        if error > tolerance {
            self.faults.push(format!("{what}: the value is off by {error:.1e}"));
        }
    }

    /// The elements moved towards what is wanted, as far as rounding to their type may have moved them.
    fn without_rounding(&self, dtype: Dtype, got: &[f32], want: &[f64]) -> Vec<f32> {
        let moved = |(&got, &want): (&f32, &f64)| {
            let rounding = dtype.rounding(want);
            (f64::from(got) + (want - f64::from(got)).clamp(-rounding, rounding)) as f32
        };
        got.iter().zip(want).map(moved).collect()
    }

    fn gradients(&mut self, what: &str, got: &[Option<Vec<f32>>; 2]) {
        let pixels = self.case.pixels_per_value() as f64;
        let smooth = self.case.kind == Kind::Constant;
        for (which, (got, want)) in got.iter().zip([&self.want.grad_img1, &self.want.grad_img2]).enumerate() {
            let Some(got) = got else { continue };
            let got = &self.without_rounding(self.case.dtypes[2 + which], got, want);
            let (error, tolerance) = if want.iter().all(|element| element.abs() * pixels < NO_GRADIENT) {
                (absolute_error(got, want) * pixels, NO_GRADIENT)
            } else {
                (relative_error(got, want), if smooth { SMOOTH_GRADIENT_TOLERANCE } else { GRADIENT_TOLERANCE })
            };
            if error > tolerance {
                self.faults.push(format!("{what}: the gradient of img{} is off by {error:.1e}", which + 1));
            }
        }
    }
}
