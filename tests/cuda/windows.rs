//! Windows of every size and form.

use crate::case::{Case, Mode, Session};
use crate::device::{Gpu, Stream};
use crate::support::oracle::{Oracle, Padding, Reduction, Window};
use crate::support::{KINDS, Kind, Size, images};

const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

fn case(kind: Kind, size: Size, window: Window) -> Case {
    let mut case = Case::new(kind, size);
    case.oracle.window = window;
    case
}

/// Runs a case with each padding that its size allows.
fn check_paddings(case: Case, mode: Mode<'_>) {
    let [_, _, h, w] = case.size();
    for padding in PADDINGS {
        if padding == Padding::Same || h.min(w) >= case.oracle.window.size() {
            Session::new(Case { oracle: Oracle { padding, ..case.oracle }, ..case }).check(mode);
        }
    }
}

#[test]
fn of_every_size() {
    let Some(_gpu) = Gpu::first("cuda::windows::of_every_size") else { return };
    for taps in (3..=33).step_by(2) {
        for window in [Window::Gaussian(taps), Window::Uniform(taps)] {
            let mut case = case(Kind::Photo, [1, 1, 36, 41], window);
            case.oracle.sigma = taps as f64 / 7.0;
            check_paddings(case, Mode::Synchronous);
        }
    }
}

#[test]
fn for_every_kind_and_reduction() {
    let Some(_gpu) = Gpu::first("cuda::windows::for_every_kind_and_reduction") else { return };
    let stream = Stream::new();
    for window in [Window::Gaussian(7), Window::Uniform(11), Window::Uniform(17)] {
        for &kind in KINDS {
            for reduction in [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map] {
                let mut case = Case { upstream: kind == Kind::Photo, ..case(kind, [2, 2, 19, 34], window) };
                case.oracle.reduction = reduction;
                check_paddings(case, Mode::On(&stream));
            }
        }
    }
}

#[test]
fn at_every_size_of_image() {
    let Some(_gpu) = Gpu::first("cuda::windows::at_every_size_of_image") else { return };
    let sizes = [
        [1, 1, 1, 1],
        [1, 1, 5, 7],
        [1, 1, 1, 40],
        [1, 1, 40, 1],
        [2, 3, 11, 11],
        [1, 1, 12, 130],
        [1, 1, 130, 12],
        // Around tiles, and halos that reach over several of them.
        [1, 1, 15, 31],
        [1, 1, 16, 32],
        [1, 1, 17, 33],
        [1, 1, 49, 97],
        [300, 1, 4, 4],
    ];
    for size in sizes {
        for window in [Window::Gaussian(9), Window::Uniform(33)] {
            check_paddings(case(Kind::Noise, size, window), Mode::Synchronous);
        }
    }
}

#[test]
fn of_wide_rows_in_bands() {
    let Some(_gpu) = Gpu::first("cuda::windows::of_wide_rows_in_bands") else { return };
    // 1024 tiles a row: bands of 64 rows, the smallest that there are.
    let case = case(Kind::Photo, [1, 1, 150, 32 * 1024], Window::Gaussian(3));
    let session = Session::new(case);
    let got = session.value_and_grad(Mode::Synchronous, [true, false]);
    let [img1, img2] = case.images().map(|image| crate::support::to_f64(&image));
    let want = case.oracle.answer(&img1, &img2, None);
    assert!(crate::support::absolute_error(&got.ssim, &want.ssim) <= 1e-6);
    let grad = got.grads[0].as_ref().expect("it was asked for");
    assert!(crate::support::relative_error(grad, &want.grad_img1) <= 2e-6);
}

#[test]
fn nan_reaches_what_sees_it_and_nothing_else() {
    let Some(_gpu) = Gpu::first("cuda::windows::nan_reaches_what_sees_it_and_nothing_else") else { return };
    for (window, radius) in [(Window::Gaussian(3), 1), (Window::Gaussian(7), 3), (Window::Uniform(15), 7)] {
        let (h, w) = (40usize, 60usize);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (mut x, y) = images(Kind::Noise, [1, 1, h, w]);
            x[17 * w + 29] = bad;
            let mut case = case(Kind::Noise, [1, 1, h, w], window);
            case.oracle.reduction = Reduction::Map;
            let session = Session::new(case);
            session.replace_images(&[x, y]);
            let got = session.value_and_grad(Mode::Synchronous, [true, true]);
            for (index, value) in got.ssim.iter().enumerate() {
                let reach = (index / w).abs_diff(17).max((index % w).abs_diff(29));
                assert_eq!(value.is_nan(), reach <= radius, "{window:?}: map {index}: {value}");
                assert_eq!(value.is_finite(), reach > radius, "{window:?}: map {index}: {value}");
                for grad in got.grads.iter().flatten() {
                    assert_eq!(grad[index].is_nan(), reach <= 2 * radius, "{window:?}: {index}: {}", grad[index]);
                }
            }
        }
    }
}

#[test]
fn of_smooth_differences_in_bright_images() {
    let Some(_gpu) = Gpu::first("cuda::windows::of_smooth_differences_in_bright_images") else { return };
    // One image is a darker copy of the other: the terms of the textbook's gradient nearly cancel.
    for window in [Window::Gaussian(13), Window::Uniform(11)] {
        for range in [1.0, 255.0] {
            let mut case = case(Kind::Photo, [1, 1, 64, 90], window);
            case.oracle.data_range = range;
            let [x, _] = case.images();
            let darker: Vec<f32> = x.iter().map(|pixel| 0.7 * pixel + 0.1 * range as f32).collect();
            let session = Session::new(case);
            session.replace_images(&[x.clone(), darker.clone()]);
            let want = case.oracle.answer(&crate::support::to_f64(&x), &crate::support::to_f64(&darker), None);
            let got = session.value_and_grad(Mode::Synchronous, [true, true]);
            for (got, want) in got.grads.iter().zip([&want.grad_img1, &want.grad_img2]) {
                let got = got.as_ref().expect("both were asked for");
                let error = crate::support::relative_error(got, want);
                assert!(error <= 1e-5, "{window:?}, range {range}: a gradient is off by {error:.1e}");
            }
        }
    }
}

#[test]
fn identical_images_are_exactly_one() {
    let Some(_gpu) = Gpu::first("cuda::windows::identical_images_are_exactly_one") else { return };
    for window in [Window::Gaussian(7), Window::Uniform(15)] {
        let mut case = case(Kind::Identical, [1, 2, 30, 40], window);
        case.oracle.reduction = Reduction::Map;
        let got = Session::new(case).value_and_grad(Mode::Synchronous, [true, true]);
        assert!(got.ssim.iter().all(|&value| value == 1.0));
        assert!(got.grads.iter().flatten().flatten().all(|&element| element == 0.0));
    }
}
