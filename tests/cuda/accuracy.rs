//! Values and gradients against the f64 oracle, over sizes, options and memory layouts.

use crate::capi;
use crate::case::{Case, Layout, Mode, Session};
use crate::device::{Gpu, Stream, is_emulated};
use crate::support::oracle::{Output, Padding, Reduction, TAPS};
use crate::support::{KINDS, Kind, SIZES, Size, sizes_around};

/// The sizes that bugs hide in. On the emulator a large size is replaced by one that is like it in kind.
fn sizes() -> Vec<Size> {
    let reduced = |size: Size| match size {
        [n, c, h, w] if is_emulated() && n * c * h * w > 200_000 => [n.min(300), c, h.min(135), w.min(240)],
        size => size,
    };
    SIZES.iter().map(|&(size, _)| reduced(size)).collect()
}

fn fits(size: Size, padding: Padding) -> bool {
    padding == Padding::Same || (size[2] >= TAPS && size[3] >= TAPS)
}

/// Runs a case with each padding that its size allows.
fn check_paddings(case: Case, mode: Mode<'_>) {
    for padding in [Padding::Same, Padding::Valid] {
        if fits(case.size(), padding) {
            let mut case = case;
            case.oracle.padding = padding;
            Session::new(case).check(mode);
        }
    }
}

#[test]
fn every_size() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::every_size") else { return };
    let stream = Stream::new();
    for size in sizes() {
        check_paddings(Case::new(Kind::Noise, size), Mode::On(&stream));
        // A smaller photo is all sky.
        if size[2] >= 60 {
            check_paddings(Case::new(Kind::Photo, size), Mode::On(&stream));
        }
    }
}

#[test]
fn sizes_around_a_blocks_work() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::sizes_around_a_blocks_work") else { return };
    // A strip of the single pass and of the others, and a few stages of rows.
    for columns in [108, 116, 118] {
        for size in sizes_around(8, columns) {
            check_paddings(Case::new(Kind::Noise, size), Mode::Synchronous);
        }
    }
}

#[test]
fn every_kind_of_image() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::every_kind_of_image") else { return };
    for &kind in KINDS {
        check_paddings(Case::new(kind, [2, 3, 81, 135]), Mode::Synchronous);
    }
}

#[test]
fn every_reduction_with_and_without_upstream() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::every_reduction_with_and_without_upstream") else { return };
    for reduction in [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map] {
        for upstream in [false, true] {
            let mut case = Case { upstream, ..Case::new(Kind::Photo, [3, 2, 33, 145]) };
            case.oracle.reduction = reduction;
            check_paddings(case, Mode::Synchronous);
        }
    }
}

#[test]
fn every_output() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::every_output") else { return };
    for output in [Output::ONE_MINUS_SSIM, Output::DSSIM] {
        for reduction in [Reduction::Mean, Reduction::Map] {
            let mut case = Case { upstream: true, ..Case::new(Kind::Photo, [2, 2, 33, 145]) };
            (case.oracle.reduction, case.oracle.output) = (reduction, output);
            check_paddings(case, Mode::Synchronous);
        }
    }
}

#[test]
fn every_layout() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::every_layout") else { return };
    let size = [2, 3, 30, 41];
    for (i, &layout) in Layout::ALL.iter().enumerate() {
        // Each image and gradient has another layout, and each layout comes in each place.
        let layouts = [0, 1, 2, 3].map(|place| Layout::ALL[(i + place) % Layout::ALL.len()]);
        check_paddings(Case { layouts, ..Case::new(Kind::Photo, size) }, Mode::Synchronous);
        check_paddings(Case { layouts: [layout; 4], ..Case::new(Kind::Noise, size) }, Mode::Synchronous);
    }
}

#[test]
fn gradients_of_unlike_layouts() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::gradients_of_unlike_layouts") else { return };
    // Dense rows of 132 floats can be written four floats at a time, the others cannot.
    for other in [Layout::Nhwc, Layout::Sparse] {
        for [first, second] in [[Layout::Dense, other], [other, Layout::Dense]] {
            let layouts = [Layout::Dense, Layout::Dense, first, second];
            check_paddings(Case { layouts, ..Case::new(Kind::Noise, [1, 2, 17, 132]) }, Mode::Synchronous);
        }
    }
}

#[test]
fn aligned_rows_of_any_width() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::aligned_rows_of_any_width") else { return };
    // A crop has 5 floats after each row. Where rows start at multiples of 16 bytes, the last columns of one may be fewer.
    for width in [129, 130, 131, 132] {
        let case = Case { layouts: [Layout::Crop; 4], ..Case::new(Kind::Noise, [1, 2, 17, width]) };
        check_paddings(case, Mode::Synchronous);
    }
}

#[test]
fn pointers_that_are_only_aligned_to_a_float() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::pointers_that_are_only_aligned_to_a_float") else { return };
    // Rows of 132 floats would be aligned if the first were.
    for (offset, width) in [(1, 130), (2, 130), (3, 130), (1, 132), (2, 132), (3, 132)] {
        for reduction in [Reduction::Mean, Reduction::Map] {
            let mut case = Case { offset, upstream: true, ..Case::new(Kind::Noise, [1, 2, 37, width]) };
            case.oracle.reduction = reduction;
            check_paddings(case, Mode::Synchronous);
        }
    }
}

#[test]
fn saved_for_one_image_or_both() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::saved_for_one_image_or_both") else { return };
    for saved_for in [capi::SAVE_FOR_IMG1, capi::SAVE_FOR_IMG2, capi::SAVE_FOR_IMG1 | capi::SAVE_FOR_IMG2] {
        check_paddings(Case { saved_for, ..Case::new(Kind::Noise, [2, 1, 25, 131]) }, Mode::Synchronous);
    }
}

#[test]
fn other_parameters() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::other_parameters") else { return };
    let base = Case::new(Kind::Noise, [1, 2, 40, 52]);
    let mut cases = [base; 4];
    cases[0].oracle.data_range = 255.0;
    cases[1].oracle.data_range = 1e-3;
    (cases[2].oracle.k1, cases[2].oracle.k2) = (0.05, 0.1);
    cases[3].oracle.sigma = 3.0;
    for case in cases {
        check_paddings(case, Mode::Synchronous);
    }
}

#[test]
fn narrow_windows() {
    let Some(_gpu) = Gpu::first("cuda::accuracy::narrow_windows") else { return };
    for sigma in [0.5, 0.65, 0.79, 0.8, 1.0, 1.2, 1.49, 1.5] {
        for (kind, size) in [(Kind::Noise, [1, 1, 37, 120]), (Kind::Photo, [1, 2, 90, 131])] {
            for reduction in [Reduction::Mean, Reduction::Map] {
                let mut case = Case::new(kind, size);
                (case.oracle.sigma, case.oracle.reduction) = (sigma, reduction);
                check_paddings(case, Mode::Synchronous);
            }
        }
    }
}
