//! Losses without a mask through the C functions, against the oracle: the same cases for every backend.

use crate::capi;
use crate::masked::{
    Backend, Call, Function, GRADIENT_TOLERANCE, PADDINGS, PIXEL_LOSSES, VALUE_TOLERANCE, Weights, compare_within,
    options_for,
};
use crate::support::oracle::{Oracle, Output, PixelLoss, Reduction, Window};
use crate::support::{Kind, Size, images, to_f64};

/// Losses without a mask: forms, reductions, shares, other windows and ranges.
pub fn losses<B: Backend>(backend: &B) {
    let plain = |size: Size| Oracle::new(size[0], size[1], size[2], size[3]);
    let mut cases = Vec::new();
    for kind in [Kind::Noise, Kind::Photo, Kind::Constant, Kind::Identical] {
        for padding in PADDINGS {
            for reduction in [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel] {
                cases.push((kind, 0.2, Oracle { padding, reduction, ..plain([2, 3, 21, 38]) }));
            }
        }
    }
    for lambda in [0.0, 0.5, 1.0] {
        for window in [Window::Gaussian(11), Window::Gaussian(7), Window::Uniform(9)] {
            for output in [Output::ONE_MINUS_SSIM, Output::DSSIM] {
                cases.push((Kind::Noise, lambda, Oracle { window, output, k2: 0.05, ..plain([1, 2, 30, 53]) }));
            }
        }
    }
    for window in [Window::Gaussian(11), Window::Uniform(7)] {
        cases.push((Kind::Noise, 0.2, Oracle { window, data_range: 255.0, ..plain([1, 2, 30, 53]) }));
    }
    for (kind, lambda, oracle) in cases {
        for (pixel, number) in PIXEL_LOSSES {
            let range = oracle.data_range as f32;
            let scaled = |image: Vec<f32>| -> Vec<f32> { image.iter().map(|pixel| range * pixel).collect() };
            let size = [oracle.n, oracle.c, oracle.h, oracle.w];
            let (x, y) = images(kind, size);
            let (x, y) = (scaled(x), scaled(y));
            let call = Call {
                function: Function::Loss(number, lambda),
                images: [&x, &y],
                size,
                options: options_for(&oracle),
                weights: Weights::None,
                values: 3 * oracle.values(),
                pixels: x.len(),
            };
            // Without a form of its own the dissimilarity is 1 - SSIM.
            let output = if oracle.output == Output::SSIM { Output::ONE_MINUS_SSIM } else { oracle.output };
            let want = Oracle { output, ..oracle }.loss(&to_f64(&x), &to_f64(&y), None, pixel, lambda);
            let values = [want.loss, want.pixel, want.dissimilarity].concat();
            // Pixel losses are in the unit of the pixels.
            let unit = oracle.data_range.powi(if pixel == PixelLoss::L2 { 2 } else { 1 });
            let label = format!("{kind:?} {pixel:?} {lambda} {oracle:?}");
            let grads = [&want.grad_img1[..], &want.grad_img2];
            let tolerance = if kind == Kind::Constant { B::CONSTANT_GRADIENT_TOLERANCE } else { GRADIENT_TOLERANCE };
            compare_within(&label, &backend.run(call), &values, grads, VALUE_TOLERANCE * unit, tolerance);
        }
    }
}

pub fn the_absolute_value_has_the_sign_of_the_smallest_difference(backend: &impl Backend) {
    // Differences far below the rounding of the pixels relative to anything else.
    let size @ [n, c, h, w] = [1, 1, 20, 35];
    let x: Vec<f32> = (0..h * w).map(|i| if i % 3 == 0 { 0.75 } else { 1e-9 * (i % 5) as f32 }).collect();
    let y: Vec<f32> = (0..h * w).map(|i| if i % 3 == 0 { 0.75 } else { 1e-9 * (i % 7) as f32 }).collect();
    let got = backend.run(Call {
        function: Function::Loss(capi::PIXEL_L1, 0.0),
        images: [&x, &y],
        size,
        options: options_for(&Oracle::new(n, c, h, w)),
        weights: Weights::None,
        values: 3,
        pixels: x.len(),
    });
    for i in 0..h * w {
        let sign = (f64::from(x[i]) - f64::from(y[i])).partial_cmp(&0.0).expect("a number") as i32;
        let want = (f64::from(sign) / (h * w) as f64) as f32;
        assert_eq!((got.grads[0][i], got.grads[1][i]), (want, -want), "pixel {i}");
    }
}

pub fn a_part_of_no_weight_adds_nothing(backend: &impl Backend) {
    let size @ [n, c, h, w] = [1, 1, 30, 31];
    let (mut x, y) = images(Kind::Noise, size);
    x[5 * w + 7] = f32::NAN;
    for (lambda, pixel_is_nan) in [(0.0, true), (1.0, false)] {
        let call = Call {
            function: Function::Loss(capi::PIXEL_L2, lambda),
            images: [&x, &y],
            size,
            options: options_for(&Oracle::new(n, c, h, w)),
            weights: Weights::None,
            values: 3,
            pixels: x.len(),
        };
        let got = backend.run(call);
        assert!(got.values[1].is_nan() && got.values[2].is_nan() && got.values[0].is_nan(), "{lambda}");
        for grad in &got.grads {
            for (i, element) in grad.iter().enumerate() {
                let reach = (i / w).abs_diff(5).max((i % w).abs_diff(7));
                let spoilt = if pixel_is_nan { reach == 0 } else { reach <= 10 };
                assert_eq!(element.is_nan(), spoilt, "lambda {lambda}: element {i} is {element}");
            }
        }
    }
}
