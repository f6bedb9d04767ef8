//! Weighted means by the kernels for the default window: sizes, reductions, types, layouts.

use crate::case::{Case, Layout, Mask, Mode, Session};
use crate::device::{Gpu, Stream};
use crate::elements::Dtype;
use crate::support::oracle::{Output, Padding, PixelLoss, Reduction, TAPS};
use crate::support::{KINDS, Kind, Size, sizes_around};

const FLOATS: Mask = Mask { dtype: Dtype::F32, layout: Layout::Dense, shared: false, factor: 1.0 };
const BYTES: Mask = Mask { dtype: Dtype::U8, ..FLOATS };
const PIXELS: [PixelLoss; 2] = [PixelLoss::L1, PixelLoss::L2];

fn case(kind: Kind, size: Size, mask: Mask) -> Case {
    Case { mask: Some(mask), ..Case::new(kind, size) }
}

/// Runs every function with each padding that the size allows.
fn check_paddings(case: Case, mode: Mode<'_>, pixel: PixelLoss) {
    for padding in [Padding::Same, Padding::Valid] {
        let [_, _, h, w] = case.size();
        if padding == Padding::Same || (h >= TAPS && w >= TAPS) {
            let mut case = case;
            case.oracle.padding = padding;
            Session::new(case).check(mode);
            if case.oracle.reduction != Reduction::Map && !case.upstream {
                case.oracle.output = Output::ONE_MINUS_SSIM;
                Session::new(case).check_loss(mode, pixel, 0.2);
            }
        }
    }
}

#[test]
fn around_a_blocks_work() {
    let Some(_gpu) = Gpu::first("cuda::weights::around_a_blocks_work") else { return };
    for columns in [32, 108, 116] {
        for (i, size) in sizes_around(16, columns).into_iter().enumerate() {
            check_paddings(case(Kind::Noise, size, [FLOATS, BYTES][i % 2]), Mode::Synchronous, PIXELS[i % 2]);
        }
    }
    for size in [[1, 1, 1, 1], [1, 1, 5, 7], [70, 1, 4, 4], [1, 1, 13, 1100]] {
        check_paddings(case(Kind::Noise, size, FLOATS), Mode::Synchronous, PixelLoss::L1);
    }
}

#[test]
fn of_every_kind_and_reduction() {
    let Some(_gpu) = Gpu::first("cuda::weights::of_every_kind_and_reduction") else { return };
    let stream = Stream::new();
    let reductions = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];
    for (i, reduction) in reductions.into_iter().enumerate() {
        for (j, &kind) in KINDS.iter().enumerate() {
            let mask = Mask { shared: (i + j) % 2 == 0, ..[FLOATS, BYTES][j % 2] };
            for upstream in [false, true] {
                let mut case = Case { upstream, ..case(kind, [2, 3, 29, 70], mask) };
                case.oracle.reduction = reduction;
                check_paddings(case, Mode::On(&stream), PIXELS[(i + j) % 2]);
            }
        }
    }
}

#[test]
fn of_every_layout_and_type() {
    let Some(_gpu) = Gpu::first("cuda::weights::of_every_layout_and_type") else { return };
    use Dtype::{Bf16, F16, F32, U8};
    let dtypes = [[F32, F32, F32, F32], [F16, U8, F16, F32], [U8, F32, F32, Bf16], [Bf16, Bf16, Bf16, Bf16]];
    for (i, &layout) in Layout::ALL.iter().enumerate() {
        for shared in [false, true] {
            for (j, mask) in [FLOATS, BYTES].into_iter().enumerate() {
                let mask = Mask { layout, shared, ..mask };
                let layouts = [0, 1, 2, 3].map(|place| Layout::ALL[(i + place) % Layout::ALL.len()]);
                let dtypes = dtypes[(i + j) % dtypes.len()];
                let case = Case { layouts, dtypes, offset: (i + j) % 4, ..case(Kind::Noise, [1, 3, 21, 133], mask) };
                check_paddings(case, Mode::Synchronous, PIXELS[j]);
            }
        }
    }
}

#[test]
fn of_any_size_are_as_good_as_of_one() {
    let Some(_gpu) = Gpu::first("cuda::weights::of_any_size_are_as_good_as_of_one") else { return };
    for factor in [1e-25, 1e-10, 1e10, 1e25] {
        check_paddings(case(Kind::Photo, [1, 2, 30, 121], Mask { factor, ..FLOATS }), Mode::Synchronous, PixelLoss::L1);
    }
}

#[test]
fn of_zero_compare_nothing() {
    let Some(_gpu) = Gpu::first("cuda::weights::of_zero_compare_nothing") else { return };
    for mask in [FLOATS, BYTES] {
        for (mut case, lambda) in [0.0, 0.2, 1.0].map(|lambda| (case(Kind::Noise, [2, 2, 20, 130], mask), lambda)) {
            case.mask = Some(Mask { factor: 0.0, ..mask });
            case.oracle.reduction = Reduction::PerImage;
            let session = Session::new(case);
            // What is not compared may be anything.
            let [mut x, y] = case.images();
            x[131] = f32::NAN;
            session.replace_images(&[x, y]);
            let mode = Mode::Synchronous;
            assert_eq!(session.forward(mode), [1.0; 2], "{mask:?}");
            let got = session.value_and_grad(mode, [true, true]);
            assert_eq!(got.ssim, [1.0; 2], "{mask:?}");
            assert!(got.grads.iter().flatten().flatten().all(|&element| element == 0.0), "{mask:?}");
            for wanted in [[false, false], [true, true]] {
                let got = session.loss(mode, PixelLoss::L1, lambda, wanted);
                assert_eq!(got.ssim, [0.0; 6], "{mask:?} {lambda}");
                assert!(got.grads.iter().flatten().flatten().all(|&element| element == 0.0), "{mask:?} {lambda}");
            }
        }
    }
}
