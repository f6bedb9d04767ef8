//! The training loss by the kernels for the default window: sizes, types, layouts, units.

use crate::case::{Case, Layout, Mode, Session};
use crate::device::{Gpu, Stream};
use crate::elements::Dtype;
use crate::support::oracle::{Output, Padding, PixelLoss, Reduction, TAPS};
use crate::support::{KINDS, Kind, Size, sizes_around};

const PIXELS: [PixelLoss; 2] = [PixelLoss::L1, PixelLoss::L2];

fn case(kind: Kind, size: Size) -> Case {
    let mut case = Case::new(kind, size);
    case.oracle.output = Output::ONE_MINUS_SSIM;
    case
}

/// Runs a case with each padding that its size allows.
fn check_paddings(case: Case, pixel: PixelLoss, lambda: f64) {
    for padding in [Padding::Same, Padding::Valid] {
        let [_, _, h, w] = case.size();
        if padding == Padding::Same || (h >= TAPS && w >= TAPS) {
            let mut case = case;
            case.oracle.padding = padding;
            Session::new(case).check_loss(Mode::Synchronous, pixel, lambda);
        }
    }
}

#[test]
fn around_a_blocks_work() {
    let Some(_gpu) = Gpu::first("cuda::losses::around_a_blocks_work") else { return };
    for columns in [32, 108, 116] {
        for (i, size) in sizes_around(16, columns).into_iter().enumerate() {
            check_paddings(case(Kind::Noise, size), PIXELS[i % 2], 0.2);
        }
    }
    for size in [[1, 1, 1, 1], [1, 1, 5, 7], [70, 1, 4, 4]] {
        check_paddings(case(Kind::Noise, size), PixelLoss::L1, 0.2);
    }
}

#[test]
fn of_every_reduction_and_kind() {
    let Some(_gpu) = Gpu::first("cuda::losses::of_every_reduction_and_kind") else { return };
    for (i, reduction) in [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel].into_iter().enumerate() {
        for (j, &kind) in KINDS.iter().enumerate() {
            let mut case = case(kind, [2, 3, 41, 70]);
            case.oracle.reduction = reduction;
            case.oracle.output = if i == 0 { Output::DSSIM } else { Output::ONE_MINUS_SSIM };
            check_paddings(case, PIXELS[(i + j) % 2], [0.2, 0.9, 0.5][i]);
        }
    }
}

#[test]
fn with_all_the_weight_on_one_part() {
    let Some(_gpu) = Gpu::first("cuda::losses::with_all_the_weight_on_one_part") else { return };
    for pixel in PIXELS {
        for lambda in [0.0, 1.0] {
            check_paddings(case(Kind::Photo, [1, 2, 30, 121]), pixel, lambda);
        }
    }
}

#[test]
fn of_other_types_layouts_and_units() {
    let Some(_gpu) = Gpu::first("cuda::losses::of_other_types_layouts_and_units") else { return };
    use Dtype::{Bf16, F16, F32, U8};
    for (i, (dtypes, scales, data_range)) in [
        ([F32, F32, F32, F32], [0.0, 0.0], 0.01),
        ([F32, F32, F32, F32], [0.5, 0.25], 3.0),
        ([F16, U8, F16, F32], [0.0, 0.0], 1.0),
        ([U8, F32, F32, Bf16], [1.0, 255.0], 255.0),
        ([Bf16, U8, Bf16, Bf16], [0.0, 0.0], 1.0),
        ([U8, U8, F32, F32], [0.0, 0.0], 0.5),
    ]
    .into_iter()
    .enumerate()
    {
        for pixel in PIXELS {
            let layouts = [0, 1, 2, 3].map(|place| Layout::ALL[(i + place) % Layout::ALL.len()]);
            let mut case = Case { dtypes, scales, layouts, offset: i % 3, ..case(Kind::Noise, [1, 3, 21, 133]) };
            case.oracle.data_range = data_range;
            check_paddings(case, pixel, 0.2);
        }
    }
}

#[test]
fn have_the_same_bits_every_time_and_on_every_stream() {
    let Some(_gpu) = Gpu::first("cuda::losses::have_the_same_bits_every_time_and_on_every_stream") else { return };
    let session = Session::new(case(Kind::Photo, [2, 2, 50, 130]));
    let stream = Stream::new();
    let want = session.loss(Mode::Synchronous, PixelLoss::L1, 0.2, [true, true]);
    for mode in [Mode::On(&stream), Mode::Default(0), Mode::Synchronous] {
        assert_eq!(session.loss(mode, PixelLoss::L1, 0.2, [true, true]).bits(), want.bits());
    }
}
