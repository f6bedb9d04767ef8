//! Calls of the C functions on a backend, and masks against the oracle: the same cases for every backend. shards.rs and
//! loss_calls.rs have more of them.

use std::ptr;

use crate::capi::{self, fssim_layout, fssim_options};
use crate::support::oracle::{self, MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, Window};
use crate::support::{Kind, Random, Size, absolute_error, images, relative_error, to_f64, upstream};

pub const MODES: [MaskMode; 3] = [MaskMode::WeightedMean, MaskMode::MultiplyInputs, MaskMode::Normalized];
pub const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];
pub const REDUCTIONS: [Reduction; 4] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];
pub const PIXEL_LOSSES: [(PixelLoss, i32); 2] = [(PixelLoss::L1, capi::PIXEL_L1), (PixelLoss::L2, capi::PIXEL_L2)];

pub const VALUE_TOLERANCE: f64 = 1e-6;
pub const GRADIENT_TOLERANCE: f64 = 2e-6;

/// A mask's elements.
#[derive(Clone, Copy)]
pub enum Weights<'a> {
    None,
    Floats(&'a [f32]),
    Bytes(&'a [u8]),
}

/// Which function is called.
#[derive(Clone, Copy)]
pub enum Function<'a> {
    ValueAndGrad,
    /// With these upstream factors, and nothing saved.
    Backward(&'a [f32]),
    /// With pixel_loss and lambda.
    Loss(i32, f64),
}

/// A call on dense f32 images, for both gradients.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub function: Function<'a>,
    pub images: [&'a [f32]; 2],
    pub size: Size,
    /// `mask` is taken from `weights`.
    pub options: fssim_options,
    pub weights: Weights<'a>,
    /// Elements of the result and of each gradient.
    pub values: usize,
    pub pixels: usize,
}

/// What a call wrote; no values for `Backward`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    pub values: Vec<f32>,
    pub grads: [Vec<f32>; 2],
}

/// Where the memory of a call lies.
pub trait Backend {
    /// What the header promises for the pixels of a map.
    const MAP_TOLERANCE: f64;
    /// What it promises for the gradients of constant images.
    const CONSTANT_GRADIENT_TOLERANCE: f64;
    /// How far gradients under the default window may move, as a share of their norm, when an image is cut into shards in
    /// another way; 0: they are the same bits.
    const CUT_TOLERANCE: f64;

    /// Makes the call, which must succeed.
    fn run(&self, call: Call<'_>) -> Outcome;
}

fn mode_for_c(mode: MaskMode) -> i32 {
    match mode {
        MaskMode::WeightedMean => capi::MASK_WEIGHTED_MEAN,
        MaskMode::MultiplyInputs => capi::MASK_MULTIPLY_INPUTS,
        MaskMode::Normalized => capi::MASK_NORMALIZED,
    }
}

/// Options for the oracle's problem without a mask.
pub fn options_for(oracle: &Oracle) -> fssim_options {
    fssim_options {
        padding: i32::from(oracle.padding == Padding::Valid),
        reduction: match oracle.reduction {
            Reduction::Mean => 0,
            Reduction::PerImage => capi::REDUCTION_PER_IMAGE,
            Reduction::PerChannel => capi::REDUCTION_PER_CHANNEL,
            Reduction::Map => capi::REDUCTION_MAP,
        },
        output: match oracle.output {
            Output::DSSIM => capi::OUTPUT_DSSIM,
            Output::ONE_MINUS_SSIM => capi::OUTPUT_ONE_MINUS_SSIM,
            _ => 0,
        },
        window: i32::from(matches!(oracle.window, Window::Uniform(_))),
        window_size: oracle.window.size() as i32,
        sigma: oracle.sigma,
        data_range: oracle.data_range,
        k1: oracle.k1,
        k2: oracle.k2,
        ..fssim_options::default()
    }
}

/// Options for the oracle's problem with a mask of this mode.
pub fn masked(oracle: &Oracle, mode: MaskMode) -> fssim_options {
    fssim_options { mask_mode: mode_for_c(mode), ..options_for(oracle) }
}

/// Random weights, many of them zero, in blotches.
pub fn mask([n, c, h, w]: Size) -> Vec<f32> {
    let mut random = Random::new(31);
    (0..n * c * h * w)
        .map(|i| if (i / w / 5 + i % w / 7) % 3 == 0 || random.unit() < 0.2 { 0.0 } else { random.unit() + 0.1 })
        .collect()
}

#[track_caller]
pub fn compare(label: &str, got: &Outcome, values: &[f64], grads: [&[f64]; 2], value_tolerance: f64) {
    compare_within(label, got, values, grads, value_tolerance, GRADIENT_TOLERANCE);
}

#[track_caller]
pub fn compare_within(
    label: &str,
    got: &Outcome,
    values: &[f64],
    grads: [&[f64]; 2],
    value_tolerance: f64,
    gradient_tolerance: f64,
) {
    let error = absolute_error(&got.values, values);
    assert!(error <= value_tolerance, "{label}: value is off by {error:.2e}");
    for (got, want) in got.grads.iter().zip(grads) {
        let largest = want.iter().fold(0.0f64, |largest, g| largest.max(g.abs())) * got.len() as f64;
        if largest < 1e-9 {
            assert!(got.iter().all(|g| g.abs() < 1e-9), "{label}: a gradient of nothing");
            continue;
        }
        let error = relative_error(got, want);
        assert!(error <= gradient_tolerance, "{label}: gradient is off by {error:.2e}");
    }
}

fn tolerance<B: Backend>(_: &B, reduction: Reduction) -> f64 {
    if reduction == Reduction::Map { B::MAP_TOLERANCE } else { VALUE_TOLERANCE }
}

/// `windows`: those to try.
pub fn every_mode_reduction_and_padding(backend: &impl Backend, windows: &[Window]) {
    let size @ [n, c, h, w] = [2, 2, 21, 26];
    let (x, y) = images(Kind::Photo, size);
    let (x64, y64) = (to_f64(&x), to_f64(&y));
    let weights = mask(size);
    let weights64 = to_f64(&weights);
    for &window in windows {
        for padding in PADDINGS {
            for reduction in REDUCTIONS {
                for output in [Output::SSIM, Output::DSSIM] {
                    let oracle = Oracle { window, padding, reduction, output, ..Oracle::new(n, c, h, w) };
                    for mode in MODES {
                        let label = format!("{mode:?} {window:?} {padding:?} {reduction:?} {output:?}");
                        let call = Call {
                            function: Function::ValueAndGrad,
                            images: [&x, &y],
                            size,
                            options: masked(&oracle, mode),
                            weights: Weights::Floats(&weights),
                            values: oracle.values(),
                            pixels: x.len(),
                        };
                        let got = backend.run(call);
                        let want = oracle.answer_masked(&x64, &y64, &weights64, mode, None);
                        let value_tolerance = tolerance(backend, reduction);
                        compare(&label, &got, &want.ssim, [&want.grad_img1, &want.grad_img2], value_tolerance);

                        let seeds = upstream(oracle.values());
                        let want = oracle.answer_masked(&x64, &y64, &weights64, mode, Some(&to_f64(&seeds)));
                        let Outcome { grads, .. } = backend.run(Call { function: Function::Backward(&seeds), ..call });
                        let got = Outcome { values: got.values, grads };
                        compare(&label, &got, &want.ssim, [&want.grad_img1, &want.grad_img2], value_tolerance);
                    }
                }
            }
        }
    }
}

pub fn pixels_of_a_masked_loss(backend: &impl Backend) {
    let size @ [n, c, h, w] = [2, 2, 19, 24];
    let (x, y) = images(Kind::Noise, size);
    let (x64, y64) = (to_f64(&x), to_f64(&y));
    let weights = mask(size);
    for padding in PADDINGS {
        for reduction in [Reduction::Mean, Reduction::PerImage] {
            for (pixel, number) in PIXEL_LOSSES {
                for mode in MODES {
                    let oracle = Oracle { padding, reduction, ..Oracle::new(n, c, h, w) };
                    let got = backend.run(Call {
                        function: Function::Loss(number, 0.2),
                        images: [&x, &y],
                        size,
                        options: masked(&oracle, mode),
                        weights: Weights::Floats(&weights),
                        values: 3 * oracle.values(),
                        pixels: x.len(),
                    });
                    let oracle = Oracle { output: Output::ONE_MINUS_SSIM, ..oracle };
                    let want = oracle.loss(&x64, &y64, Some((&to_f64(&weights), mode)), pixel, 0.2);
                    let values = [want.loss, want.pixel, want.dissimilarity].concat();
                    let label = format!("{mode:?} {pixel:?} {padding:?} {reduction:?}");
                    compare(&label, &got, &values, [&want.grad_img1, &want.grad_img2], VALUE_TOLERANCE);
                }
            }
        }
    }
}

pub fn bytes_and_one_channel_for_all(backend: &impl Backend) {
    let size @ [n, c, h, w] = [2, 3, 15, 18];
    let (x, y) = images(Kind::Noise, size);
    let bytes: Vec<u8> = mask([n, 1, h, w]).iter().map(|&m| if m == 0.0 { 0 } else { 1 + (m * 200.0) as u8 }).collect();
    let planes: Vec<f32> =
        (0..n * c * h * w).map(|i| f32::from(u8::from(bytes[i / (c * h * w) * h * w + i % (h * w)] != 0))).collect();
    for mode in MODES {
        let dense = Call {
            function: Function::ValueAndGrad,
            images: [&x, &y],
            size,
            options: masked(&Oracle::new(n, c, h, w), mode),
            weights: Weights::Floats(&planes),
            values: 1,
            pixels: x.len(),
        };
        let strides = [(h * w) as i64, 0, w as i64, 1];
        let mask_layout = fssim_layout { dtype: capi::DTYPE_U8, strides, ..dense.options.mask_layout };
        let options = fssim_options { mask_layout, ..dense.options };
        let shared = Call { options, weights: Weights::Bytes(&bytes), ..dense };
        assert_eq!(backend.run(shared), backend.run(dense), "{mode:?}");
    }
}

pub fn zeros_compare_nothing(backend: &impl Backend) {
    let size @ [n, c, h, w] = [2, 1, 14, 16];
    let (clean, y) = images(Kind::Noise, size);
    // The first image is masked out as a whole, and holds NaN.
    let mut x = clean.clone();
    x[..h * w].fill(f32::NAN);
    let weights: Vec<f32> = (0..n * h * w).map(|i| if i < h * w { 0.0 } else { 1.0 }).collect();
    let zeros = vec![0.0; n * h * w];
    for mode in MODES {
        let oracle = Oracle { reduction: Reduction::PerImage, ..Oracle::new(n, c, h, w) };
        for (output, of_nothing) in [(Output::SSIM, 1.0), (Output::ONE_MINUS_SSIM, 0.0), (Output::DSSIM, 0.0)] {
            let call = Call {
                function: Function::ValueAndGrad,
                images: [&x, &y],
                size,
                options: masked(&Oracle { output, ..oracle }, mode),
                weights: Weights::Floats(&weights),
                values: n,
                pixels: x.len(),
            };
            let got = backend.run(call);
            assert_eq!(got.values[0], of_nothing, "{mode:?}");
            assert!(got.values[1].is_finite() && got.values[1] != of_nothing, "{mode:?}");
            // Only the weighted mean looks at masked pixels at all.
            if mode != MaskMode::WeightedMean {
                assert!(got.grads.iter().all(|grad| grad[..h * w].iter().all(|&g| g == 0.0)), "{mode:?}");
            }
            let got = backend.run(Call { function: Function::Loss(capi::PIXEL_L1, 0.2), values: 3 * n, ..call });
            let [total, pixel, dissimilarity] = [got.values[0], got.values[n], got.values[2 * n]];
            assert_eq!([total, pixel, dissimilarity], [0.0; 3], "{mode:?}");
        }
        let got = backend.run(Call {
            function: Function::ValueAndGrad,
            images: [&clean, &y],
            size,
            options: masked(&Oracle::new(n, c, h, w), mode),
            weights: Weights::Floats(&zeros),
            values: 1,
            pixels: x.len(),
        });
        assert_eq!(got.values, [1.0], "{mode:?}");
        assert!(got.grads.iter().flatten().all(|&g| g == 0.0), "{mode:?}");
    }
}

pub fn what_is_masked_has_no_influence(backend: &impl Backend) {
    let size @ [n, c, h, w] = [1, 2, 24, 30];
    let (clean, y) = images(Kind::Noise, size);
    let weights = mask(size);
    for bad in [f32::NAN, f32::INFINITY, 1e30] {
        let spoilt: Vec<f32> =
            clean.iter().zip(&weights).map(|(&pixel, &m)| if m == 0.0 { bad } else { pixel }).collect();
        for mode in [MaskMode::Normalized, MaskMode::MultiplyInputs] {
            let of = |image| {
                backend.run(Call {
                    function: Function::ValueAndGrad,
                    images: [image, &y],
                    size,
                    options: masked(&Oracle::new(n, c, h, w), mode),
                    weights: Weights::Floats(&weights),
                    values: 1,
                    pixels: clean.len(),
                })
            };
            assert_eq!(of(&spoilt), of(&clean), "{mode:?} {bad}");
        }
    }
}

/// A mask that keeps every window away from bad pixels keeps the bad pixels out of the weighted mean, and of the gradient
/// elsewhere.
pub fn windows_of_weight_zero_do_not_count(backend: &impl Backend) {
    let size @ [n, c, h, w] = [1, 1, 40, 50];
    let (clean, y) = images(Kind::Photo, size);
    let (bad_row, bad_column, radius) = (17usize, 22usize, 5);
    let reach = |i: usize| (i / w).abs_diff(bad_row).max((i % w).abs_diff(bad_column));
    let weights: Vec<f32> = (0..h * w).map(|i| if reach(i) <= radius { 0.0 } else { 1.0 }).collect();
    let oracle = Oracle::new(n, c, h, w);
    let (x64, y64, weights64) = (to_f64(&clean), to_f64(&y), to_f64(&weights));
    let want = oracle.answer_masked(&x64, &y64, &weights64, MaskMode::WeightedMean, None);
    for bad in [f32::NAN, f32::INFINITY, 1e30] {
        let mut x = clean.clone();
        x[bad_row * w + bad_column] = bad;
        let mut got = backend.run(Call {
            function: Function::ValueAndGrad,
            images: [&x, &y],
            size,
            options: masked(&oracle, MaskMode::WeightedMean),
            weights: Weights::Floats(&weights),
            values: 1,
            pixels: x.len(),
        });
        // What is computed at the bad pixel itself is of no use.
        for (grad, want) in got.grads.iter_mut().zip([&want.grad_img1, &want.grad_img2]) {
            let at = bad_row * w + bad_column;
            grad[at] = want[at] as f32;
        }
        let grads = [&want.grad_img1[..], &want.grad_img2];
        compare(&format!("{bad}"), &got, &want.ssim, grads, VALUE_TOLERANCE);
    }
}

/// Weights that several blocks add up, and rows that are wider than a block.
pub fn wide_masks(backend: &impl Backend) {
    for size @ [n, c, h, w] in [[1, 1, 20, 700], [2, 2, 3, 257]] {
        let (x, y) = images(Kind::Noise, size);
        let weights = mask(size);
        for mode in [MaskMode::WeightedMean, MaskMode::Normalized] {
            let oracle = Oracle { window: Window::Gaussian(3), ..Oracle::new(n, c, h, w) };
            let call = Call {
                function: Function::ValueAndGrad,
                images: [&x, &y],
                size,
                options: masked(&oracle, mode),
                weights: Weights::Floats(&weights),
                values: 1,
                pixels: x.len(),
            };
            let want = oracle.answer_masked(&to_f64(&x), &to_f64(&y), &to_f64(&weights), mode, None);
            let grads = [&want.grad_img1[..], &want.grad_img2];
            compare(&format!("{mode:?} {size:?}"), &backend.run(call), &want.ssim, grads, VALUE_TOLERANCE);
        }
    }
}

/// Masks that are added up in many parts: by planes, by tiles, in rows and columns that have no SSIM, as floats and as bytes.
pub fn large_masks(backend: &impl Backend) {
    for (size, padding) in [
        ([300, 1, 3, 8], Padding::Same),
        ([1, 1, 1, 33_000], Padding::Same),
        ([1, 2, 80, 136], Padding::Valid),
        ([2, 1, 12, 301], Padding::Valid),
    ] {
        let [n, c, h, w] = size;
        let (x, y) = images(Kind::Noise, size);
        let mut random = Random::new(7);
        let bytes: Vec<u8> =
            x.iter().map(|_| if random.unit() < 0.5 { 0 } else { 1 + (random.unit() * 254.0) as u8 }).collect();
        let floats: Vec<f32> = bytes.iter().map(|&byte| f32::from(u8::from(byte != 0))).collect();
        let oracle = Oracle { padding, ..Oracle::new(n, c, h, w) };
        let of_floats = Call {
            function: Function::ValueAndGrad,
            images: [&x, &y],
            size,
            options: masked(&oracle, MaskMode::WeightedMean),
            weights: Weights::Floats(&floats),
            values: 1,
            pixels: x.len(),
        };
        let mask_layout = fssim_layout { dtype: capi::DTYPE_U8, ..of_floats.options.mask_layout };
        let options = fssim_options { mask_layout, ..of_floats.options };
        let of_bytes = Call { options, weights: Weights::Bytes(&bytes), ..of_floats };
        let [x, y, m] = [&x, &y, &floats].map(|plane| to_f64(plane));
        let want = oracle.answer_masked(&x, &y, &m, MaskMode::WeightedMean, None);
        let grads = [&want.grad_img1[..], &want.grad_img2];
        let got = backend.run(of_floats);
        compare(&format!("{size:?}"), &got, &want.ssim, grads, VALUE_TOLERANCE);
        assert_eq!(got, backend.run(of_bytes), "{size:?}: bytes");
    }
}

/// The mask's pointer in the options, for a backend's call.
pub fn with_mask(options: &fssim_options, mask: *const std::ffi::c_void) -> fssim_options {
    fssim_options { mask: if options.mask_mode == 0 { ptr::null() } else { mask }, ..*options }
}

#[test]
fn the_oracle_needs_no_mask_of_ones() {
    let size @ [n, c, h, w] = [1, 1, 13, 17];
    let (x, y) = images(Kind::Noise, size);
    let (x, y) = (to_f64(&x), to_f64(&y));
    for padding in PADDINGS {
        let oracle = Oracle { padding, ..Oracle::new(n, c, h, w) };
        let plain = oracle.answer(&x, &y, None);
        for mode in [MaskMode::WeightedMean, MaskMode::MultiplyInputs] {
            let masked = oracle.answer_masked(&x, &y, &vec![1.0; h * w], mode, None);
            assert!((masked.ssim[0] - plain.ssim[0]).abs() < 1e-14);
        }
        let loss = oracle.loss(&x, &y, None, oracle::PixelLoss::L2, 0.5);
        let squares: f64 = x.iter().zip(&y).map(|(x, y)| (x - y).powi(2)).sum();
        assert!((loss.pixel[0] - squares / (h * w) as f64).abs() < 1e-14);
    }
}
