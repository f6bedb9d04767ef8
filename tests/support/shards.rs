//! Row sharding through the C functions, against the oracle: the same cases for every backend.

use crate::capi::{self, fssim_options};
use crate::masked::{
    Backend, Call, Function, MODES, Outcome, PADDINGS, VALUE_TOLERANCE, Weights, compare, mask, masked, options_for,
};
use crate::support::oracle::{MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, Window};
use crate::support::{Kind, Random, Size, images, relative_error, to_f64};

/// One image in shards, each with the rows around it that it needs: the sum of their values, and their gradients put
/// together.
fn sharded(
    backend: &impl Backend,
    [x, y]: [&[f32]; 2],
    size: Size,
    options: &fssim_options,
    weights: Option<&[f32]>,
    cuts: &[usize],
) -> Outcome {
    let [n, c, h, w] = size;
    let halo = options.window_size as usize - 1;
    let mut all = Outcome { values: vec![0.0; 3], grads: [vec![f32::NAN; x.len()], vec![f32::NAN; x.len()]] };
    let mut ssim = 0.0;
    for rows in cuts.windows(2) {
        let (first, end) = (rows[0], rows[1]);
        let (top, bottom) = (first.saturating_sub(halo), (end + halo).min(h));
        let part = |image: &[f32]| -> Vec<f32> {
            image.chunks_exact(h * w).flat_map(|plane| plane[top * w..bottom * w].to_vec()).collect()
        };
        let (x, y, weights) = (part(x), part(y), weights.map(part));
        let call = Call {
            function: Function::Loss(capi::PIXEL_L1, 0.2),
            images: [&x, &y],
            size: [n, c, bottom - top, w],
            options: fssim_options {
                shard_rows_above: (first - top) as i64,
                shard_rows_below: (bottom - end) as i64,
                shard_height: h as i64,
                ..*options
            },
            weights: weights.as_deref().map_or(Weights::None, Weights::Floats),
            values: 3,
            pixels: n * c * (end - first) * w,
        };
        let got = backend.run(call);
        all.values.iter_mut().zip(&got.values).for_each(|(sum, value)| *sum += value);
        for (all, got) in all.grads.iter_mut().zip(&got.grads) {
            for (plane, got) in all.chunks_exact_mut(h * w).zip(got.chunks_exact((end - first) * w)) {
                plane[first * w..end * w].copy_from_slice(got);
            }
        }
        // The value alone is that part of the loss.
        let call = Call { function: Function::ValueAndGrad, values: 1, ..call };
        let value = backend.run(call).values[0];
        assert!((value - got.values[2]).abs() <= 1e-7, "{value} {}", got.values[2]);
        let options = fssim_options { output: 0, ..call.options };
        ssim += backend.run(Call { options, ..call }).values[0];
    }
    assert!((ssim - (1.0 - all.values[2])).abs() <= 1e-6, "{ssim} {}", all.values[2]);
    all
}

pub fn add_up_to_the_whole<B: Backend>(backend: &B, tries: usize) {
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
        let whole = sharded(backend, [&x, &y], size, &options, None, &[0, h]);
        let want = oracle.loss(&to_f64(&x), &to_f64(&y), None, PixelLoss::L1, 0.2);
        let values = [want.loss, want.pixel, want.dissimilarity].concat();
        let grads = [&want.grad_img1[..], &want.grad_img2];
        compare(&format!("{size:?} whole"), &whole, &values, grads, VALUE_TOLERANCE);
        for _ in 0..tries {
            let mut cuts: Vec<usize> = (0..3).map(|_| 1 + (random.unit() * (h - 1) as f32) as usize).collect();
            cuts.extend([0, h, 1, 2]);
            cuts.sort_unstable();
            cuts.dedup();
            let parts = sharded(backend, [&x, &y], size, &options, None, &cuts);
            let tolerance = if window == Window::Gaussian(11) { B::CUT_TOLERANCE } else { 0.0 };
            for (part, whole) in parts.grads.iter().zip(&whole.grads) {
                let error = relative_error(part, &to_f64(whole));
                assert!(error <= tolerance, "{size:?} {padding:?} {cuts:?}: a gradient moves by {error:.2e}");
            }
            for (part, whole) in parts.values.iter().zip(&whole.values) {
                assert!((part - whole).abs() <= 2e-7, "{size:?} {padding:?} {cuts:?}: {part} {whole}");
            }
        }
    }
}

pub fn of_a_mask_add_up_to_the_whole(backend: &impl Backend) {
    let size @ [n, c, h, w] = [1, 2, 50, 33];
    let (x, y) = images(Kind::Photo, size);
    let weights = mask(size);
    for mode in MODES {
        let oracle = Oracle { output: Output::ONE_MINUS_SSIM, ..Oracle::new(n, c, h, w) };
        let want = oracle.loss(&to_f64(&x), &to_f64(&y), Some((&to_f64(&weights), mode)), PixelLoss::L1, 0.2);
        let divisor = if mode == MaskMode::MultiplyInputs { 0.0 } else { to_f64(&weights).iter().sum() };
        let options = fssim_options { shard_divisor: divisor, ..masked(&oracle, mode) };
        let parts = sharded(backend, [&x, &y], size, &options, Some(&weights), &[0, 7, 20, 21, h]);
        let values = [want.loss, want.pixel, want.dissimilarity].concat();
        compare(&format!("{mode:?}"), &parts, &values, [&want.grad_img1, &want.grad_img2], VALUE_TOLERANCE);
    }
}

pub fn have_the_map_of_their_own_rows<B: Backend>(backend: &B) {
    let size @ [n, c, h, w] = [1, 2, 40, 23];
    let (x, y) = images(Kind::Noise, size);
    let (first, end, halo) = (13, 22, 10);
    let part = |image: &[f32]| -> Vec<f32> {
        image.chunks_exact(h * w).flat_map(|plane| plane[(first - halo) * w..(end + halo) * w].to_vec()).collect()
    };
    let (part_x, part_y) = (part(&x), part(&y));
    for padding in PADDINGS {
        let oracle = Oracle { padding, reduction: Reduction::Map, ..Oracle::new(n, c, h, w) };
        let (top, _, height, width) = oracle.region();
        let own = first - top..end - top;
        let want: Vec<f64> = oracle
            .map(&to_f64(&x), &to_f64(&y))
            .chunks_exact(height * width)
            .flat_map(|plane| plane[own.start * width..own.end * width].to_vec())
            .collect();
        let rows = end - first;
        let got = backend.run(Call {
            function: Function::ValueAndGrad,
            images: [&part_x, &part_y],
            size: [n, c, rows + 2 * halo, w],
            options: fssim_options {
                shard_rows_above: halo as i64,
                shard_rows_below: halo as i64,
                shard_height: h as i64,
                ..options_for(&oracle)
            },
            weights: Weights::None,
            values: want.len(),
            pixels: n * c * rows * w,
        });
        let whole = oracle.answer(&to_f64(&x), &to_f64(&y), None);
        let of_rows = |grad: &[f64]| -> Vec<f64> {
            grad.chunks_exact(h * w).flat_map(|plane| plane[first * w..end * w].to_vec()).collect()
        };
        let grads = [of_rows(&whole.grad_img1), of_rows(&whole.grad_img2)];
        compare(&format!("{padding:?}"), &got, &want, [&grads[0], &grads[1]], B::MAP_TOLERANCE);
    }
}
