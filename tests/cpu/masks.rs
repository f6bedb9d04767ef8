//! Masks, row sharding and losses through the C functions on host memory; tests/support has the cases.

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, expect_ok, fssim_options};
use crate::harness::{GRADIENT_TOLERANCE, VALUE_TOLERANCE, nan};
use crate::loss_calls;
use crate::masked::{self, Backend, Call, Function, Outcome, Weights, compare, mask, masked, options_for, with_mask};
use crate::shards;
use crate::support::oracle::{MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, Window};
use crate::support::{Kind, images, to_f64};

struct Cpu;

impl Backend for Cpu {
    const MAP_TOLERANCE: f64 = VALUE_TOLERANCE;
    const CONSTANT_GRADIENT_TOLERANCE: f64 = GRADIENT_TOLERANCE;
    const CUT_TOLERANCE: f64 = 0.0;

    fn run(&self, call: Call<'_>) -> Outcome {
        let [n, c, h, w] = call.size.map(|size| size as i64);
        let mask: *const c_void = match call.weights {
            Weights::None => ptr::null(),
            Weights::Floats(weights) => weights.as_ptr().cast(),
            Weights::Bytes(weights) => weights.as_ptr().cast(),
        };
        let options = &with_mask(&call.options, mask);
        let mut values = nan(if matches!(call.function, Function::Backward(_)) { 0 } else { call.values });
        let mut grads = [nan(call.pixels), nan(call.pixels)];
        let [first, second] = grads.each_mut().map(|grad| grad.as_mut_ptr().cast::<c_void>());
        let [x, y] = call.images.map(|image| image.as_ptr().cast());
        let out = values.as_mut_ptr();
        // SAFETY: slices of the lengths that the shape and the options ask for.
        expect_ok(unsafe {
            match call.function {
                Function::ValueAndGrad => capi::fssim_value_and_grad(x, y, n, c, h, w, options, out, first, second),
                Function::Backward(upstream) => {
                    let (saved, upstream) = (ptr::null(), upstream.as_ptr());
                    capi::fssim_backward(x, y, n, c, h, w, options, saved, upstream, first, second)
                }
                Function::Loss(pixel, lambda) => {
                    capi::fssim_loss(x, y, n, c, h, w, options, pixel, lambda, out, first, second)
                }
            }
        });
        Outcome { values, grads }
    }
}

#[test]
fn of_every_mode_reduction_padding_and_window() {
    masked::every_mode_reduction_and_padding(&Cpu, &[Window::Gaussian(11), Window::Gaussian(5), Window::Uniform(7)]);
}

#[test]
fn weight_the_pixels_of_a_loss_as_well() {
    masked::pixels_of_a_masked_loss(&Cpu);
}

#[test]
fn losses_have_every_form() {
    loss_calls::losses(&Cpu);
    loss_calls::the_absolute_value_has_the_sign_of_the_smallest_difference(&Cpu);
    loss_calls::a_part_of_no_weight_adds_nothing(&Cpu);
}

#[test]
fn over_several_strips_and_chunks() {
    for (size, padding) in [([1, 2, 300, 530], Padding::Same), ([2, 1, 90, 555], Padding::Valid)] {
        let [n, c, h, w] = size;
        let (x, y) = images(Kind::Photo, size);
        let (x64, y64) = (to_f64(&x), to_f64(&y));
        let weights = mask(size);
        let weights64 = to_f64(&weights);
        for (mode, window, reduction) in [
            (MaskMode::WeightedMean, Window::Gaussian(11), Reduction::Mean),
            (MaskMode::WeightedMean, Window::Gaussian(11), Reduction::PerChannel),
            (MaskMode::WeightedMean, Window::Uniform(17), Reduction::Map),
            (MaskMode::MultiplyInputs, Window::Gaussian(11), Reduction::PerImage),
            (MaskMode::MultiplyInputs, Window::Uniform(7), Reduction::Map),
        ] {
            let oracle = Oracle { padding, window, reduction, ..Oracle::new(n, c, h, w) };
            let label = format!("{size:?} {padding:?} {mode:?} {window:?} {reduction:?}");
            let call = Call {
                function: Function::ValueAndGrad,
                images: [&x, &y],
                size,
                options: masked(&oracle, mode),
                weights: Weights::Floats(&weights),
                values: oracle.values(),
                pixels: x.len(),
            };
            let want = oracle.answer_masked(&x64, &y64, &weights64, mode, None);
            compare(&label, &Cpu.run(call), &want.ssim, [&want.grad_img1, &want.grad_img2], VALUE_TOLERANCE);
            if reduction == Reduction::Map {
                continue;
            }
            let function = Function::Loss(capi::PIXEL_L1, 0.2);
            let got = Cpu.run(Call { function, values: 3 * oracle.values(), ..call });
            let oracle = Oracle { output: Output::ONE_MINUS_SSIM, ..oracle };
            let want = oracle.loss(&x64, &y64, Some((&weights64, mode)), PixelLoss::L1, 0.2);
            let values = [want.loss, want.pixel, want.dissimilarity].concat();
            compare(&label, &got, &values, [&want.grad_img1, &want.grad_img2], VALUE_TOLERANCE);
        }
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let size @ [n, c, h, w] = [1, 2, 300, 400];
    let (x, y) = images(Kind::Photo, size);
    let weights = mask(size);
    for mode in [MaskMode::WeightedMean, MaskMode::MultiplyInputs, MaskMode::Normalized] {
        let call = Call {
            function: Function::Loss(capi::PIXEL_L1, 0.2),
            images: [&x, &y],
            size,
            options: masked(&Oracle::new(n, c, h, w), mode),
            weights: Weights::Floats(&weights),
            values: 3,
            pixels: x.len(),
        };
        let results: Vec<_> = [1, 2, 5]
            .into_iter()
            .map(|threads| {
                fused_ssim::set_num_threads(threads);
                Cpu.run(call)
            })
            .collect();
        fused_ssim::set_num_threads(0);
        assert!(results.iter().all(|result| *result == results[0]), "{mode:?}");
    }
}

#[test]
fn of_bytes_and_of_one_channel_for_all() {
    masked::bytes_and_one_channel_for_all(&Cpu);
    masked::wide_masks(&Cpu);
    masked::large_masks(&Cpu);
}

#[test]
fn of_zeros_compare_nothing() {
    masked::zeros_compare_nothing(&Cpu);
}

#[test]
fn hide_what_they_cover() {
    masked::what_is_masked_has_no_influence(&Cpu);
    masked::windows_of_weight_zero_do_not_count(&Cpu);
}

#[test]
fn shards_add_up_to_the_whole() {
    shards::add_up_to_the_whole(&Cpu, 6);
}

/// Rows that no window of an owned row's gradient sees may hold anything.
#[test]
fn shards_see_no_more_than_they_need() {
    let (n, c, w, owned, more) = (1, 2, 37, 21, 9);
    for window in [Window::Gaussian(11), Window::Uniform(3), Window::Uniform(17)] {
        let halo = window.size() - 1;
        let size @ [.., h, _] = [n, c, owned + 2 * (halo + more), w];
        let (clean, y) = images(Kind::Noise, size);
        let far = |i: usize| i / w % h < more || i / w % h >= h - more;
        let spoilt: Vec<f32> = clean.iter().enumerate().map(|(i, &x)| if far(i) { f32::NAN } else { x }).collect();
        let of = |image: &[f32]| {
            Cpu.run(Call {
                function: Function::Loss(capi::PIXEL_L1, 0.2),
                images: [image, &y],
                size,
                options: fssim_options {
                    shard_rows_above: (halo + more) as i64,
                    shard_rows_below: (halo + more) as i64,
                    shard_height: 1000,
                    ..options_for(&Oracle { window, ..Oracle::new(n, c, h, w) })
                },
                weights: Weights::None,
                values: 3,
                pixels: n * c * owned * w,
            })
        };
        let (got, want) = (of(&spoilt), of(&clean));
        let values: Vec<f64> = to_f64(&want.values);
        let grads = want.grads.each_ref().map(|grad| to_f64(grad));
        compare(&format!("{window:?}"), &got, &values, [&grads[0], &grads[1]], VALUE_TOLERANCE);
    }
}

#[test]
fn shards_of_a_mask_add_up_to_the_whole() {
    shards::of_a_mask_add_up_to_the_whole(&Cpu);
}

#[test]
fn shards_have_the_map_of_their_own_rows() {
    shards::have_the_map_of_their_own_rows(&Cpu);
}
