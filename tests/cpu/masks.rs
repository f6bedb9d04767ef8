//! Masks and row sharding, which only the C API offers, against the oracle.

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, expect_ok, fssim_layout, fssim_options};
use crate::harness::{GRADIENT_TOLERANCE, VALUE_TOLERANCE, nan};
use crate::support::oracle::{self, MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, Window};
use crate::support::{Kind, Random, Size, absolute_error, images, relative_error, to_f64, upstream};

const MODES: [MaskMode; 3] = [MaskMode::WeightedMean, MaskMode::MultiplyInputs, MaskMode::Normalized];
const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

fn mode_for_c(mode: MaskMode) -> i32 {
    match mode {
        MaskMode::WeightedMean => capi::MASK_WEIGHTED_MEAN,
        MaskMode::MultiplyInputs => capi::MASK_MULTIPLY_INPUTS,
        MaskMode::Normalized => capi::MASK_NORMALIZED,
    }
}

fn options_for(oracle: &Oracle) -> fssim_options {
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
        ..fssim_options::default()
    }
}

fn size_of([n, c, h, w]: Size) -> [i64; 4] {
    [n as i64, c as i64, h as i64, w as i64]
}

/// Random weights, many of them zero, in blotches.
fn mask([n, c, h, w]: Size) -> Vec<f32> {
    let mut random = Random::new(31);
    (0..n * c * h * w)
        .map(|i| if (i / w / 5 + i % w / 7) % 3 == 0 || random.unit() < 0.2 { 0.0 } else { random.unit() + 0.1 })
        .collect()
}

struct Result {
    values: Vec<f32>,
    grads: [Vec<f32>; 2],
}

fn value_and_grad(x: &[f32], y: &[f32], size: Size, options: &fssim_options, values: usize, pixels: usize) -> Result {
    let [n, c, h, w] = size_of(size);
    let (mut ssim, mut grads) = (nan(values), [nan(pixels), nan(pixels)]);
    let [first, second] = grads.each_mut().map(|grad| grad.as_mut_ptr().cast::<c_void>());
    // SAFETY: slices of the lengths that the shape and the options ask for.
    expect_ok(unsafe {
        let (x, y) = (x.as_ptr().cast(), y.as_ptr().cast());
        capi::fssim_value_and_grad(x, y, n, c, h, w, options, ssim.as_mut_ptr(), first, second)
    });
    Result { values: ssim, grads }
}

fn backward(x: &[f32], y: &[f32], size: Size, options: &fssim_options, upstream: &[f32]) -> [Vec<f32>; 2] {
    let [n, c, h, w] = size_of(size);
    let mut grads = [nan(x.len()), nan(x.len())];
    let [first, second] = grads.each_mut().map(|grad| grad.as_mut_ptr().cast::<c_void>());
    // SAFETY: as above.
    expect_ok(unsafe {
        let (x, y) = (x.as_ptr().cast(), y.as_ptr().cast());
        capi::fssim_backward(x, y, n, c, h, w, options, ptr::null(), upstream.as_ptr(), first, second)
    });
    grads
}

fn loss(x: &[f32], y: &[f32], size: Size, options: &fssim_options, pixel: i32, groups: usize, pixels: usize) -> Result {
    let [n, c, h, w] = size_of(size);
    let (mut values, mut grads) = (nan(3 * groups), [nan(pixels), nan(pixels)]);
    let [first, second] = grads.each_mut().map(|grad| grad.as_mut_ptr().cast::<c_void>());
    // SAFETY: as above.
    expect_ok(unsafe {
        let (x, y) = (x.as_ptr().cast(), y.as_ptr().cast());
        capi::fssim_loss(x, y, n, c, h, w, options, pixel, 0.2, values.as_mut_ptr(), first, second)
    });
    Result { values, grads }
}

#[track_caller]
fn compare(label: &str, got: &Result, values: &[f64], grads: [&[f64]; 2]) {
    let error = absolute_error(&got.values, values);
    assert!(error <= VALUE_TOLERANCE, "{label}: value is off by {error:.2e}");
    for (got, want) in got.grads.iter().zip(grads) {
        let error = relative_error(got, want);
        assert!(error <= GRADIENT_TOLERANCE, "{label}: gradient is off by {error:.2e}");
    }
}

#[test]
fn of_every_mode_reduction_padding_and_window() {
    let size @ [n, c, h, w] = [2, 2, 21, 26];
    let (x, y) = images(Kind::Photo, size);
    let (x64, y64) = (to_f64(&x), to_f64(&y));
    let weights = mask(size);
    let weights64 = to_f64(&weights);
    for window in [Window::Gaussian(11), Window::Gaussian(5), Window::Uniform(7)] {
        for padding in PADDINGS {
            for reduction in [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map] {
                for output in [Output::SSIM, Output::DSSIM] {
                    let oracle = Oracle { window, padding, reduction, output, ..Oracle::new(n, c, h, w) };
                    for mode in MODES {
                        let label = format!("{mode:?} {window:?} {padding:?} {reduction:?} {output:?}");
                        let options = fssim_options {
                            mask_mode: mode_for_c(mode),
                            mask: weights.as_ptr().cast(),
                            ..options_for(&oracle)
                        };
                        let got = value_and_grad(&x, &y, size, &options, oracle.values(), x.len());
                        let want = oracle.answer_masked(&x64, &y64, &weights64, mode, None);
                        compare(&label, &got, &want.ssim, [&want.grad_img1, &want.grad_img2]);

                        let seeds = upstream(oracle.values());
                        let want = oracle.answer_masked(&x64, &y64, &weights64, mode, Some(&to_f64(&seeds)));
                        let grads = backward(&x, &y, size, &options, &seeds);
                        let got = Result { values: got.values, grads };
                        compare(&label, &got, &want.ssim, [&want.grad_img1, &want.grad_img2]);
                    }
                }
            }
        }
    }
}

#[test]
fn weight_the_pixels_of_a_loss_as_well() {
    let size @ [n, c, h, w] = [2, 2, 19, 24];
    let (x, y) = images(Kind::Noise, size);
    let (x64, y64) = (to_f64(&x), to_f64(&y));
    let weights = mask(size);
    for padding in PADDINGS {
        for reduction in [Reduction::Mean, Reduction::PerImage] {
            for (pixel, number) in [(PixelLoss::L1, capi::PIXEL_L1), (PixelLoss::L2, capi::PIXEL_L2)] {
                for mode in MODES {
                    let oracle = Oracle { padding, reduction, ..Oracle::new(n, c, h, w) };
                    let options = fssim_options {
                        mask_mode: mode_for_c(mode),
                        mask: weights.as_ptr().cast(),
                        ..options_for(&oracle)
                    };
                    let got = loss(&x, &y, size, &options, number, oracle.values(), x.len());
                    let oracle = Oracle { output: Output::ONE_MINUS_SSIM, ..oracle };
                    let want = oracle.loss(&x64, &y64, Some((&to_f64(&weights), mode)), pixel, 0.2);
                    let values = [want.loss, want.pixel, want.dissimilarity].concat();
                    let label = format!("{mode:?} {pixel:?} {padding:?} {reduction:?}");
                    compare(&label, &got, &values, [&want.grad_img1, &want.grad_img2]);
                }
            }
        }
    }
}

#[test]
fn of_bytes_and_of_one_channel_for_all() {
    let size @ [n, c, h, w] = [2, 3, 15, 18];
    let (x, y) = images(Kind::Noise, size);
    let bytes: Vec<u8> = mask([n, 1, h, w]).iter().map(|&m| if m == 0.0 { 0 } else { 1 + (m * 200.0) as u8 }).collect();
    let planes: Vec<f32> =
        (0..n * c * h * w).map(|i| f32::from(u8::from(bytes[i / (c * h * w) * h * w + i % (h * w)] != 0))).collect();
    for mode in MODES {
        let oracle = Oracle::new(n, c, h, w);
        let dense = fssim_options { mask_mode: mode_for_c(mode), mask: planes.as_ptr().cast(), ..options_for(&oracle) };
        let strides = [(h * w) as i64, 0, w as i64, 1];
        let shared = fssim_options {
            mask: bytes.as_ptr().cast(),
            mask_layout: fssim_layout { dtype: capi::DTYPE_U8, strides, ..dense.mask_layout },
            ..dense
        };
        let [want, got] = [dense, shared].map(|options| value_and_grad(&x, &y, size, &options, 1, x.len()));
        assert_eq!(got.values, want.values, "{mode:?}");
        assert_eq!(got.grads, want.grads, "{mode:?}");
    }
}

#[test]
fn of_zeros_compare_nothing() {
    let size @ [n, c, h, w] = [2, 1, 14, 16];
    let (x, y) = images(Kind::Noise, size);
    // The first image is masked out as a whole, and holds NaN.
    let mut x = x;
    x[..h * w].fill(f32::NAN);
    let weights: Vec<f32> = (0..n * h * w).map(|i| if i < h * w { 0.0 } else { 1.0 }).collect();
    for mode in MODES {
        let oracle = Oracle { reduction: Reduction::PerImage, ..Oracle::new(n, c, h, w) };
        for (output, of_nothing) in [(Output::SSIM, 1.0), (Output::ONE_MINUS_SSIM, 0.0), (Output::DSSIM, 0.0)] {
            let options = fssim_options {
                mask_mode: mode_for_c(mode),
                mask: weights.as_ptr().cast(),
                ..options_for(&Oracle { output, ..oracle })
            };
            let got = value_and_grad(&x, &y, size, &options, n, x.len());
            assert_eq!(got.values[0], of_nothing, "{mode:?}");
            assert!(got.values[1].is_finite() && got.values[1] != of_nothing, "{mode:?}");
            // Only the weighted mean looks at masked pixels at all.
            if mode != MaskMode::WeightedMean {
                assert!(got.grads.iter().all(|grad| grad[..h * w].iter().all(|&g| g == 0.0)), "{mode:?}");
            }
            let got = loss(&x, &y, size, &options, capi::PIXEL_L1, n, x.len());
            let [total, pixel, dissimilarity] = [got.values[0], got.values[n], got.values[2 * n]];
            assert_eq!([total, pixel, dissimilarity], [0.0; 3], "{mode:?}");
        }
    }
    let (x, y) = images(Kind::Noise, size);
    let zeros = vec![0.0f32; n * h * w];
    for mode in MODES {
        let oracle = Oracle::new(n, c, h, w);
        let options =
            fssim_options { mask_mode: mode_for_c(mode), mask: zeros.as_ptr().cast(), ..options_for(&oracle) };
        let got = value_and_grad(&x, &y, size, &options, 1, x.len());
        assert_eq!(got.values, [1.0], "{mode:?}");
        assert!(got.grads.iter().flatten().all(|&g| g == 0.0), "{mode:?}");
    }
}

#[test]
fn of_normalized_windows_hide_what_they_cover() {
    let size @ [n, c, h, w] = [1, 2, 24, 30];
    let (mut x, y) = images(Kind::Noise, size);
    let weights = mask(size);
    for mode in [MaskMode::Normalized, MaskMode::MultiplyInputs] {
        let oracle = Oracle::new(n, c, h, w);
        let options =
            fssim_options { mask_mode: mode_for_c(mode), mask: weights.as_ptr().cast(), ..options_for(&oracle) };
        let before = value_and_grad(&x, &y, size, &options, 1, x.len());
        let clean = x.clone();
        x.iter_mut().zip(&weights).filter(|(_, m)| **m == 0.0).for_each(|(pixel, _)| *pixel = f32::NAN);
        let after = value_and_grad(&x, &y, size, &options, 1, x.len());
        assert_eq!(after.values, before.values, "{mode:?}");
        assert_eq!(after.grads, before.grads, "{mode:?}");
        x = clean;
    }
}

/// One image in shards, each with the rows around it that it needs: the sum of their values, and their gradients put
/// together.
fn sharded(
    x: &[f32],
    y: &[f32],
    size: Size,
    options: &fssim_options,
    weights: Option<&[f32]>,
    cuts: &[usize],
) -> Result {
    let [n, c, h, w] = size;
    let halo = options.window_size as usize - 1;
    let mut all = Result { values: vec![0.0; 3], grads: [nan(x.len()), nan(x.len())] };
    for rows in cuts.windows(2) {
        let (first, end) = (rows[0], rows[1]);
        let (top, bottom) = (first.saturating_sub(halo), (end + halo).min(h));
        let present = bottom - top;
        let part = |image: &[f32]| -> Vec<f32> {
            image.chunks_exact(h * w).flat_map(|plane| plane[top * w..bottom * w].to_vec()).collect()
        };
        let weights = weights.map(part);
        let options = fssim_options {
            shard_rows_above: (first - top) as i64,
            shard_rows_below: (bottom - end) as i64,
            shard_height: h as i64,
            mask: weights.as_ref().map_or(ptr::null(), |weights| weights.as_ptr().cast()),
            ..*options
        };
        let pixels = n * c * (end - first) * w;
        let got = loss(&part(x), &part(y), [n, c, present, w], &options, capi::PIXEL_L1, 1, pixels);
        all.values.iter_mut().zip(&got.values).for_each(|(sum, value)| *sum += value);
        for (all, got) in all.grads.iter_mut().zip(&got.grads) {
            for (plane, got) in all.chunks_exact_mut(h * w).zip(got.chunks_exact((end - first) * w)) {
                plane[first * w..end * w].copy_from_slice(got);
            }
        }
        // The value alone is the same without the pixel loss.
        let value = value_and_grad(&part(x), &part(y), [n, c, present, w], &options, 1, pixels).values[0];
        assert!((1.0 - value).is_finite());
    }
    all
}

#[test]
fn shards_add_up_to_the_whole() {
    let mut random = Random::new(5);
    for (size, padding, window) in [
        ([1, 2, 70, 40], Padding::Same, Window::Gaussian(11)),
        ([1, 2, 70, 40], Padding::Valid, Window::Gaussian(11)),
        ([2, 1, 33, 150], Padding::Same, Window::Uniform(5)),
        ([1, 1, 45, 30], Padding::Valid, Window::Gaussian(21)),
    ] {
        let [n, c, h, w] = size;
        let (x, y) = images(Kind::Photo, size);
        let oracle = Oracle { padding, window, output: Output::ONE_MINUS_SSIM, ..Oracle::new(n, c, h, w) };
        let options = options_for(&oracle);
        let whole = sharded(&x, &y, size, &options, None, &[0, h]);
        let want = oracle.loss(&to_f64(&x), &to_f64(&y), None, PixelLoss::L1, 0.2);
        let values = [want.loss, want.pixel, want.dissimilarity].concat();
        compare(&format!("{size:?} whole"), &whole, &values, [&want.grad_img1, &want.grad_img2]);
        for _ in 0..6 {
            let mut cuts: Vec<usize> = (0..3).map(|_| 1 + (random.unit() * (h - 1) as f32) as usize).collect();
            cuts.extend([0, h, 1, 2]);
            cuts.sort_unstable();
            cuts.dedup();
            let parts = sharded(&x, &y, size, &options, None, &cuts);
            // Gradients are the same bits however the image is cut.
            assert_eq!(parts.grads, whole.grads, "{size:?} {padding:?} {cuts:?}");
            for (part, whole) in parts.values.iter().zip(&whole.values) {
                assert!((part - whole).abs() <= 2e-7, "{size:?} {padding:?} {cuts:?}: {part} {whole}");
            }
        }
    }
}

#[test]
fn shards_of_a_mask_add_up_to_the_whole() {
    let size @ [n, c, h, w] = [1, 2, 50, 33];
    let (x, y) = images(Kind::Photo, size);
    let weights = mask(size);
    for mode in MODES {
        let oracle = Oracle { output: Output::ONE_MINUS_SSIM, ..Oracle::new(n, c, h, w) };
        let want = oracle.loss(&to_f64(&x), &to_f64(&y), Some((&to_f64(&weights), mode)), PixelLoss::L1, 0.2);
        let divisor = if mode == MaskMode::MultiplyInputs { 0.0 } else { to_f64(&weights).iter().sum() };
        let options = fssim_options { mask_mode: mode_for_c(mode), shard_divisor: divisor, ..options_for(&oracle) };
        let parts = sharded(&x, &y, size, &options, Some(&weights), &[0, 7, 20, 21, h]);
        let values = [want.loss, want.pixel, want.dissimilarity].concat();
        compare(&format!("{mode:?}"), &parts, &values, [&want.grad_img1, &want.grad_img2]);
    }
}

#[test]
fn shards_have_the_map_of_their_own_rows() {
    let size @ [n, c, h, w] = [1, 2, 40, 23];
    let (x, y) = images(Kind::Noise, size);
    let (first, end, halo) = (13, 22, 10);
    let part = |image: &[f32]| -> Vec<f32> {
        image.chunks_exact(h * w).flat_map(|plane| plane[(first - halo) * w..(end + halo) * w].to_vec()).collect()
    };
    for padding in PADDINGS {
        let oracle = Oracle { padding, reduction: Reduction::Map, ..Oracle::new(n, c, h, w) };
        let options = fssim_options {
            shard_rows_above: halo as i64,
            shard_rows_below: halo as i64,
            shard_height: h as i64,
            ..options_for(&oracle)
        };
        let (top, _, height, width) = oracle.region();
        let own = first - top..end - top;
        let want: Vec<f64> = oracle
            .map(&to_f64(&x), &to_f64(&y))
            .chunks_exact(height * width)
            .flat_map(|plane| plane[own.start * width..own.end * width].to_vec())
            .collect();
        let rows = end - first;
        let got =
            value_and_grad(&part(&x), &part(&y), [n, c, rows + 2 * halo, w], &options, want.len(), n * c * rows * w);
        assert!(absolute_error(&got.values, &want) <= VALUE_TOLERANCE, "{padding:?}");
        let whole = oracle.answer(&to_f64(&x), &to_f64(&y), None);
        let want: Vec<f64> =
            whole.grad_img1.chunks_exact(h * w).flat_map(|plane| plane[first * w..end * w].to_vec()).collect();
        assert!(relative_error(&got.grads[0], &want) <= GRADIENT_TOLERANCE, "{padding:?}");
    }
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
