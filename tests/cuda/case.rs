//! One set of images and options on the device, run in every way the C API offers and compared with the f64 oracle.

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, expect_ok, fssim_options};
use crate::device::{Floats, POISON, Stream};
use crate::support::oracle::{Answer, Oracle, Output, Padding, Reduction};
use crate::support::{Kind, Size, absolute_error, images, relative_error, to_f64, upstream};

/// What the C header promises: for values, for the pixels of a map, for gradients, and for gradients where the difference
/// of the images is smooth.
const VALUE_TOLERANCE: f64 = 1e-6;
const MAP_TOLERANCE: f64 = 5e-6;
const GRADIENT_TOLERANCE: f64 = 2e-6;
const SMOOTH_GRADIENT_TOLERANCE: f64 = 1e-3;

/// The gradient of a map pixel below which the oracle's own rounding shows: that of identical images is zero.
const NO_GRADIENT: f64 = 1e-10;

/// How the elements of an image lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// NCHW without gaps, by strides of zero.
    Dense,
    /// Channels last.
    Nhwc,
    /// Each plane column by column, as in a Julia array of size (h, w, c, n).
    ColumnMajor,
    /// A part of a larger image: rows and planes have gaps between them.
    Crop,
    /// Every second element in each direction.
    Sparse,
}

impl Layout {
    pub const ALL: &'static [Layout] =
        &[Layout::Dense, Layout::Nhwc, Layout::ColumnMajor, Layout::Crop, Layout::Sparse];

    /// Strides for N, C, H and W, in elements.
    pub fn strides(self, [_, c, h, w]: Size) -> [usize; 4] {
        match self {
            Layout::Dense => [c * h * w, h * w, w, 1],
            Layout::Nhwc => [h * w * c, 1, w * c, c],
            Layout::ColumnMajor => [c * h * w, h * w, 1, h],
            Layout::Crop => [c * (h + 3) * (w + 5) + 7, (h + 3) * (w + 5), w + 5, 1],
            Layout::Sparse => [8 * c * h * w, 8 * h * w, 4 * w, 2],
        }
    }

    fn for_c(self, size: Size) -> capi::fssim_layout {
        let strides = if self == Layout::Dense { [0; 4] } else { self.strides(size).map(|stride| stride as i64) };
        capi::fssim_layout { dtype: 0, reserved: 0, scale: 0.0, strides }
    }

    /// Where each element of the dense image lies.
    fn offsets(self, size: Size) -> impl Iterator<Item = usize> {
        let [n, c, h, w] = size;
        let strides = self.strides(size);
        (0..n * c * h * w).map(move |i| {
            let index = [i / (w * h * c), i / (w * h) % c, i / w % h, i % w];
            index.iter().zip(strides).map(|(index, stride)| index * stride).sum()
        })
    }

    fn extent(self, size: Size) -> usize {
        size.iter().zip(self.strides(size)).map(|(size, stride)| (size - 1) * stride).sum::<usize>() + 1
    }

    /// The memory of an image: its elements in their places, and between them a NaN that is not the poison of outputs: what
    /// is computed from it keeps its bits, and would look there like memory that was left alone.
    fn scatter(self, size: Size, dense: &[f32]) -> Vec<f32> {
        let mut memory = vec![f32::NAN; self.extent(size)];
        self.offsets(size).zip(dense).for_each(|(offset, &value)| memory[offset] = value);
        memory
    }

    /// The elements of an image, after checking that nothing between them was written.
    #[track_caller]
    fn gather(self, size: Size, mut memory: Vec<f32>) -> Vec<f32> {
        let poison = f32::from_bits(POISON);
        let dense = self.offsets(size).map(|offset| std::mem::replace(&mut memory[offset], poison)).collect();
        assert!(
            memory.iter().all(|value| value.to_bits() == POISON),
            "{self:?}: memory between the elements was written"
        );
        dense
    }
}

/// What to compute, and on what.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub kind: Kind,
    pub oracle: Oracle,
    /// Of img1, img2, grad_img1 and grad_img2.
    pub layouts: [Layout; 4],
    /// Whether the gradients are those of a weighted sum of the values, instead of their sum.
    pub upstream: bool,
    pub saved_for: i32,
    /// Floats past a 256-byte boundary at which images, values and gradients start.
    pub offset: usize,
}

impl Case {
    pub fn new(kind: Kind, [n, c, h, w]: Size) -> Self {
        Case {
            kind,
            oracle: Oracle::new(n, c, h, w),
            layouts: [Layout::Dense; 4],
            upstream: false,
            saved_for: capi::SAVE_FOR_IMG1 | capi::SAVE_FOR_IMG2,
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
        let layouts = self.layouts.map(|layout| layout.for_c(self.size()));
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

    /// The images, dense, in the data range.
    pub fn images(&self) -> [Vec<f32>; 2] {
        let (img1, img2) = images(self.kind, self.size());
        [img1, img2].map(|image| image.iter().map(|pixel| pixel * self.oracle.data_range as f32).collect())
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
    pub images: [Floats; 2],
    pub workspace: Floats,
    upstream: Option<Floats>,
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
        let options = case.options();
        let [img1, img2] = case.images();
        let place = |image: &[f32], layout: Layout| Floats::of_at(case.offset, &layout.scatter(case.size(), image));
        let mut session = Session {
            case,
            options,
            images: [place(&img1, case.layouts[0]), place(&img2, case.layouts[1])],
            workspace: Floats::poisoned(0),
            upstream: case.upstream.then(|| Floats::of_at(case.offset, &upstream(case.oracle.values()))),
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
    pub fn gradient(&self, which: usize) -> Floats {
        Floats::poisoned_at(self.case.offset, self.case.layouts[2 + which].extent(self.case.size()))
    }

    /// The gradient in such memory, dense.
    #[track_caller]
    pub fn read_gradient(&self, which: usize, memory: &Floats) -> Vec<f32> {
        self.case.layouts[2 + which].gather(self.case.size(), memory.read())
    }

    /// Puts other images in the place of the first.
    pub fn replace_images(&self, replacement: &[Vec<f32>; 2]) {
        for (i, image) in replacement.iter().enumerate() {
            self.images[i].write(&self.case.layouts[i].scatter(self.case.size(), image));
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
        let [grad1, grad2] = grads.each_ref().map(|grad| grad.as_ref().map_or(ptr::null_mut(), Floats::address));
        let saved = saved.map_or(ptr::null(), |saved| saved.address().cast_const());
        let upstream = self.upstream.as_ref().map_or(ptr::null(), |upstream| upstream.floats().cast_const());
        call!(self, mode, fssim_backward, fssim_backward_stream, (saved, upstream, grad1, grad2));
        [0, 1].map(|which| grads[which].as_ref().map(|grad| self.read_gradient(which, grad)))
    }

    pub fn value_and_grad(&self, mode: Mode<'_>, wanted: [bool; 2]) -> Outcome {
        let ssim = self.values();
        let grads = [0, 1].map(|which| wanted[which].then(|| self.gradient(which)));
        let [grad1, grad2] = grads.each_ref().map(|grad| grad.as_ref().map_or(ptr::null_mut(), Floats::address));
        call!(self, mode, fssim_value_and_grad, fssim_value_and_grad_stream, (ssim.floats(), grad1, grad2));
        let grads = [0, 1].map(|which| grads[which].as_ref().map(|grad| self.read_gradient(which, grad)));
        Outcome { ssim: ssim.read(), grads }
    }

    /// Enqueues value and gradient of img1 on a stream, for memory that the test keeps.
    #[track_caller]
    pub fn enqueue_value_and_grad(&self, ssim: &Floats, grad: &Floats, stream: &Stream) {
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
        let [img1, img2] = self.case.images().map(|image| to_f64(&image));
        let weights = self.upstream.as_ref().map(|weights| to_f64(&weights.read()));
        let want = self.case.oracle.answer(&img1, &img2, weights.as_deref());
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
        let error = absolute_error(got, &self.want.ssim);
        if error > tolerance {
            self.faults.push(format!("{what}: the value is off by {error:.1e}"));
        }
    }

    fn gradients(&mut self, what: &str, got: &[Option<Vec<f32>>; 2]) {
        let pixels = self.case.pixels_per_value() as f64;
        let smooth = self.case.kind == Kind::Constant;
        for (which, (got, want)) in got.iter().zip([&self.want.grad_img1, &self.want.grad_img2]).enumerate() {
            let Some(got) = got else { continue };
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
