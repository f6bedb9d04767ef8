//! Value and gradient within the promised errors, over sizes, kinds of images, reductions and options.

use fused_ssim::{Layout, Options, Reduction};

use crate::harness::{
    GRADIENT_TOLERANCE, OUTPUTS, PADDINGS, REDUCTIONS, VALUE_TOLERANCE, check, check_within, fits, oracle_for, problem,
    value_and_grad,
};
use crate::support::{KINDS, Kind, SIZES, absolute_error, images, relative_error, sizes_around};

#[test]
fn at_every_size() {
    for &(size, why) in SIZES {
        for padding in PADDINGS.into_iter().filter(|&padding| fits(padding, size)) {
            let (x, y) = images(Kind::Noise, size);
            check(size, &Options { padding, ..Options::default() }, &x, &y, why);
        }
    }
}

#[test]
fn for_every_kind_and_reduction() {
    for size in [[1, 1, 64, 90], [2, 3, 41, 18]] {
        for &kind in KINDS {
            let (x, y) = images(kind, size);
            for padding in PADDINGS {
                for reduction in REDUCTIONS {
                    let options = Options { padding, reduction, ..Options::default() };
                    check(size, &options, &x, &y, &format!("{kind:?}"));
                }
            }
        }
    }
}

#[test]
fn where_one_image_is_a_darker_copy() {
    // Edges next to flat parts without any noise: the gradient there is the difference of terms a hundred times larger.
    const LOOSER: f64 = 1e-5;
    for size in [[1, 1, 64, 90], [1, 1, 200, 300]] {
        let (x, noisy) = images(Kind::Photo, size);
        let darker = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| 0.7 * pixel + 0.1).collect() };
        for reduction in [Reduction::Mean, Reduction::Map] {
            let options = Options { reduction, ..Options::default() };
            check_within(LOOSER, size, &options, &x, &darker(&x), "darker copy");
            check_within(LOOSER, size, &options, &x, &darker(&noisy), "darker copy with small errors");
        }
    }
}

#[test]
fn where_images_differ_by_a_constant() {
    for noise in [0.01, 0.001, 0.0] {
        let size = [1, 1, 70, 81];
        let (x, y) = images(Kind::Noise, size);
        let around = |level: f32, image: &[f32]| -> Vec<f32> { image.iter().map(|p| level + noise * p).collect() };
        for (first, second) in [(0.75, 0.25), (0.95, 0.9), (0.3, 0.3)] {
            for reduction in [Reduction::Mean, Reduction::Map] {
                let options = Options { reduction, ..Options::default() };
                let label = format!("{first} and {second} with noise of {noise}");
                check(size, &options, &around(first, &x), &around(second, &y), &label);
            }
        }
    }
}

#[test]
fn for_every_output() {
    for (size, kind) in [([2, 3, 41, 18], Kind::Noise), ([1, 1, 64, 90], Kind::Photo)] {
        let (x, y) = images(kind, size);
        for output in OUTPUTS {
            for padding in PADDINGS {
                for reduction in REDUCTIONS {
                    let options = Options { output, padding, reduction, ..Options::default() };
                    check(size, &options, &x, &y, &format!("{output:?}"));
                }
            }
        }
    }
}

#[test]
fn around_tiles_strips_and_chunks() {
    for (rows, columns) in [(16, 16), (32, 64), (128, 512)] {
        for size in sizes_around(rows, columns) {
            for padding in PADDINGS {
                let (x, y) = images(Kind::Photo, size);
                check(size, &Options { padding, ..Options::default() }, &x, &y, "around a tile");
            }
        }
    }
}

#[test]
fn of_the_map_over_several_strips() {
    let size = [1, 2, 150, 1100];
    for padding in PADDINGS {
        let (x, y) = images(Kind::Photo, size);
        check(size, &Options { padding, reduction: Reduction::Map, ..Options::default() }, &x, &y, "map");
    }
}

#[test]
fn with_other_parameters() {
    let size = [1, 2, 40, 53];
    let (x, y) = images(Kind::Noise, size);
    for options in [
        Options { sigma: 0.7, ..Options::default() },
        Options { sigma: 4.0, ..Options::default() },
        Options { sigma: 1e3, k1: 0.2, k2: 0.4, ..Options::default() },
        Options { k1: 1e-3, k2: 1e-2, ..Options::default() },
    ] {
        for padding in PADDINGS {
            check(size, &Options { padding, ..options.clone() }, &x, &y, &format!("{options:?}"));
        }
    }
}

#[test]
fn under_narrow_windows_and_wide_ones() {
    for sigma in [0.5, 0.65, 0.7, 0.79, 0.8, 1.0, 1.2, 1.49, 1.5, 3.0] {
        for (kind, size) in [(Kind::Noise, [1, 1, 37, 120]), (Kind::Photo, [1, 2, 90, 131])] {
            let (x, y) = images(kind, size);
            for reduction in [Reduction::Mean, Reduction::Map] {
                let options = Options { sigma, reduction, ..Options::default() };
                check(size, &options, &x, &y, &format!("sigma {sigma}"));
            }
        }
    }
}

#[test]
fn with_any_data_range() {
    for (size, kind) in [([1, 1, 33, 47], Kind::Noise), ([1, 1, 64, 90], Kind::Photo), ([1, 1, 200, 300], Kind::Photo)]
    {
        let (x, y) = images(kind, size);
        for range in [2.0, 3.0, 255.0, 65535.0, 1e-6, 1e-30, 1e30] {
            // Powers of ten round in f32; what the library and the oracle get is the same.
            let scaled = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| pixel * range as f32).collect() };
            for reduction in [Reduction::Mean, Reduction::Map] {
                let options = Options { data_range: range, reduction, ..Options::default() };
                check(size, &options, &scaled(&x), &scaled(&y), &format!("{kind:?}, range {range}"));
            }
        }
    }
}

#[test]
fn with_scales_that_round() {
    let size = [1, 1, 200, 300];
    let (x, y) = images(Kind::Photo, size);
    for scales in [[0.7; 2], [1.0 / 3.0; 2], [1.0 / 255.0; 2], [0.7, 1.0], [1.0 / 3.0, -0.7], [-2.0, 1.0 / 255.0]] {
        let stored = |image: &[f32], scale: f64| -> Vec<f32> {
            image.iter().map(|&pixel| (f64::from(pixel) / scale) as f32).collect()
        };
        let scaled =
            |image: &[f32], scale: f64| -> Vec<f64> { image.iter().map(|&pixel| scale * f64::from(pixel)).collect() };
        let (x, y) = (stored(&x, scales[0]), stored(&y, scales[1]));
        let [img1, img2] = scales.map(|scale| Layout::DENSE.with_scale(scale));
        let options = Options { img1, img2, ..Options::default() };
        let (value, grads) = value_and_grad(&problem(size, &options), &x, &y, [true; 2]);
        let want = oracle_for(size, &options).answer(&scaled(&x, scales[0]), &scaled(&y, scales[1]), None);
        let error = absolute_error(&value, &want.ssim);
        assert!(error <= VALUE_TOLERANCE, "scales {scales:?}: the value is off by {error:.2e}");
        for (i, (got, want)) in grads.iter().zip([&want.grad_img1, &want.grad_img2]).enumerate() {
            let want: Vec<f64> = want.iter().map(|derivative| scales[i] * derivative).collect();
            let error = relative_error(got.as_ref().expect("both are wanted"), &want);
            assert!(error <= GRADIENT_TOLERANCE, "scales {scales:?}: gradient {} is off by {error:.2e}", i + 1);
        }
    }
}

#[test]
fn of_signed_and_of_subnormal_pixels() {
    let size = [1, 1, 33, 47];
    let (x, y) = images(Kind::Noise, size);
    let signed = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| 2.0 * pixel - 1.0).collect() };
    check(size, &Options { data_range: 2.0, ..Options::default() }, &signed(&x), &signed(&y), "signed");

    let tiny = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| pixel * 1e-38).collect() };
    let (x, y) = (tiny(&x), tiny(&y));
    assert!(x.iter().filter(|pixel| pixel.is_subnormal()).count() > x.len() / 2);
    check(size, &Options { data_range: 1e-37, ..Options::default() }, &x, &y, "subnormal");
    check(size, &Options::default(), &x, &y, "subnormal, in a range of 1");
}
