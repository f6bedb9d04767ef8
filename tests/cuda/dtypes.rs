//! Elements of every type: images and gradients of f32, f16, bf16 and bytes, scales, layouts that go with them.

use crate::case::{Case, Layout, Mode, Session};
use crate::device::Gpu;
use crate::elements::Dtype;
use crate::support::oracle::{Padding, Reduction, Window};
use crate::support::{Kind, Size};

const IMAGES: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::U8];
const GRADIENTS: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::Bf16];
const REDUCTIONS: [Reduction; 4] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];

fn check_paddings(case: Case) {
    for padding in [Padding::Same, Padding::Valid] {
        let mut case = case;
        case.oracle.padding = padding;
        Session::new(case).check(Mode::Synchronous);
    }
}

/// A size that a reduction has more than one value for.
fn size_for(reduction: Reduction) -> Size {
    match reduction {
        Reduction::Mean | Reduction::Map => [1, 2, 27, 121],
        Reduction::PerImage | Reduction::PerChannel => [2, 2, 21, 61],
    }
}

#[test]
fn every_pair_of_types_in_every_layout_and_reduction() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::every_pair_of_types_in_every_layout_and_reduction") else { return };
    let mut turn = 0;
    for first in IMAGES {
        for second in IMAGES {
            // Layouts, gradients and reductions take turns, of lengths that have no common factor.
            for layout in [Layout::Dense, Layout::Nhwc] {
                let reduction = REDUCTIONS[turn % 4];
                let mut case = Case {
                    dtypes: [first, second, GRADIENTS[turn % 3], GRADIENTS[turn / 3 % 3]],
                    layouts: [layout, Layout::ALL[turn % 5], Layout::ALL[turn / 2 % 5], layout],
                    upstream: turn % 7 < 3,
                    ..Case::new(Kind::Noise, size_for(reduction))
                };
                case.oracle.reduction = reduction;
                check_paddings(case);
                turn += 1;
            }
        }
    }
}

#[test]
fn rows_that_can_and_that_cannot_be_read_four_at_a_time() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::rows_that_can_and_that_cannot_be_read_four_at_a_time") else { return };
    for dtype in IMAGES {
        let gradient = if dtype == Dtype::U8 { Dtype::F16 } else { dtype };
        for (width, offset) in [(128, 0), (128, 1), (128, 2), (128, 3), (128, 4), (129, 0), (130, 0), (131, 0)] {
            let mut case = Case {
                dtypes: [dtype, dtype, gradient, gradient],
                offset,
                ..Case::new(Kind::Photo, [1, 2, 13, width])
            };
            case.oracle.reduction = Reduction::Map;
            Session::new(case).check(Mode::Synchronous);
        }
    }
}

#[test]
fn a_photograph_of_bytes_beside_a_render_of_halves() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::a_photograph_of_bytes_beside_a_render_of_halves") else { return };
    for (render, gradient) in [(Dtype::F16, Dtype::F16), (Dtype::Bf16, Dtype::Bf16), (Dtype::F32, Dtype::F32)] {
        for kind in [Kind::Photo, Kind::Noise] {
            check_paddings(Case {
                dtypes: [render, Dtype::U8, gradient, Dtype::F32],
                layouts: [Layout::Dense, Layout::Nhwc, Layout::Dense, Layout::Nhwc],
                ..Case::new(kind, [1, 3, 66, 143])
            });
        }
    }
}

#[test]
fn scales_and_ranges_of_their_own() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::scales_and_ranges_of_their_own") else { return };
    for (dtypes, scales, data_range) in [
        // Bytes as they are, against floats in the same range.
        ([Dtype::U8, Dtype::F32], [1.0, 255.0], 255.0),
        ([Dtype::U8, Dtype::U8], [1.0, 1.0], 255.0),
        ([Dtype::U8, Dtype::U8], [1.0, 2.0], 255.0),
        ([Dtype::F16, Dtype::F16], [0.5, 0.5], 1.0),
        ([Dtype::Bf16, Dtype::Bf16], [0.5, 0.5], 1.0),
        // Neither scale a power of two in the units that are computed with.
        ([Dtype::F32, Dtype::U8], [0.001, 0.3], 1.0),
        // By default bytes span the range.
        ([Dtype::U8, Dtype::F32], [0.0, 255.0], 255.0),
        ([Dtype::F16, Dtype::U8], [0.5, 0.5 / 255.0], 0.5),
        ([Dtype::F32, Dtype::Bf16], [3.0, 3.0], 3.0),
        ([Dtype::F32, Dtype::F32], [0.1, 7.0], 0.3),
    ] {
        for reduction in [Reduction::Mean, Reduction::Map] {
            let [first, second] = dtypes;
            let mut case = Case {
                dtypes: [first, second, Dtype::F32, Dtype::F32],
                scales,
                ..Case::new(Kind::Noise, [1, 2, 29, 133])
            };
            (case.oracle.reduction, case.oracle.data_range) = (reduction, data_range);
            check_paddings(case);
        }
    }
}

#[test]
fn scales_that_round() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::scales_that_round") else { return };
    for (dtypes, scales) in [
        ([Dtype::F32, Dtype::F32], [0.7, 0.7]),
        ([Dtype::F32, Dtype::F32], [0.7, 1.0]),
        ([Dtype::F32, Dtype::F32], [1.0 / 3.0, -0.7]),
        ([Dtype::F32, Dtype::U8], [0.0, 0.0]),
    ] {
        let [first, second] = dtypes;
        // The second window takes the general kernels.
        for window in [Window::Gaussian(11), Window::Gaussian(9)] {
            let mut case = Case {
                dtypes: [first, second, Dtype::F32, Dtype::F32],
                scales,
                ..Case::new(Kind::Photo, [1, 1, 200, 300])
            };
            case.oracle.window = window;
            check_paddings(case);
        }
    }
}

#[test]
fn bytes_and_halves_are_computed_as_the_floats_they_are() {
    let Some(_gpu) = Gpu::first("cuda::dtypes::bytes_and_halves_are_computed_as_the_floats_they_are") else { return };
    for (dtype, data_range) in [(Dtype::F16, 1.0), (Dtype::Bf16, 1.0), (Dtype::U8, 255.0)] {
        let case = |dtype| {
            let mut case = Case {
                dtypes: [dtype, dtype, Dtype::F32, Dtype::F32],
                scales: [1.0; 2],
                ..Case::new(Kind::Noise, [2, 1, 31, 135])
            };
            case.oracle.data_range = data_range;
            case
        };
        let (narrow, wide) = (Session::new(case(dtype)), Session::new(case(Dtype::F32)));
        wide.replace_images(&narrow.case.images());
        let [got, want] = [narrow, wide].map(|session| session.value_and_grad(Mode::Synchronous, [true, true]));
        assert_eq!(got.bits(), want.bits(), "{dtype:?}");
    }
}
