//! Images that break careless arithmetic: NaN and infinity, equal, constant and all-zero images, huge and tiny ranges,
//! subnormal pixels. The README's table says what is expected of each.

use crate::case::{Case, Mode, Session};
use crate::device::{Gpu, is_emulated};
use crate::support::oracle::{Answer, Padding, Reduction};
use crate::support::{Kind, Size, absolute_error, images, relative_error, to_f64};

const RADIUS: usize = 5;
const VALUE_TOLERANCE: f64 = 5e-6;
const GRADIENT_TOLERANCE: f64 = 2e-6;
/// One image is constant: the gradient is a small difference of large terms.
const CONSTANT_GRADIENT_TOLERANCE: f64 = 1e-3;

const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

/// What one way of calling the library computed.
struct Outcome {
    way: &'static str,
    ssim: Option<Vec<f32>>,
    grads: [Option<Vec<f32>>; 2],
}

/// Puts the images in the place of the case's own and calls the library in every way that has a kernel or a path of its
/// own.
fn every_way(case: Case, pair: &[Vec<f32>; 2]) -> Vec<Outcome> {
    let session = Session::new(case);
    session.replace_images(pair);
    let mode = Mode::Synchronous;
    let ssim = session.forward(mode);
    let mut outcomes = vec![Outcome { way: "forward", ssim: Some(ssim), grads: [None, None] }];
    let (ssim, saved) = session.forward_saving(mode);
    let grads = session.backward(mode, Some(&saved), [true, true]);
    outcomes.push(Outcome { way: "forward, backward from saved", ssim: Some(ssim), grads });
    let grads = session.backward(mode, None, [true, true]);
    outcomes.push(Outcome { way: "backward", ssim: None, grads });
    let both = session.value_and_grad(mode, [true, true]);
    outcomes.push(Outcome { way: "value_and_grad", ssim: Some(both.ssim), grads: both.grads });
    outcomes
}

fn answer(case: Case, pair: &[Vec<f32>; 2]) -> Answer {
    let [img1, img2] = pair.each_ref().map(|image| to_f64(image));
    case.oracle.answer(&img1, &img2, None)
}

/// The elements that `spoilt` does not name. Those that it names must be NaN, and the others must not.
fn unspoilt(label: &str, spoilt: &[bool], got: &[f32], want: &[f64]) -> (Vec<f32>, Vec<f64>) {
    assert_eq!([got.len(), want.len()], [spoilt.len(); 2], "{label}");
    let mut sound = (Vec::new(), Vec::new());
    for (i, &spoilt) in spoilt.iter().enumerate() {
        assert_eq!(got[i].is_nan(), spoilt, "{label}: element {i} is {}, the oracle has {}", got[i], want[i]);
        if !spoilt {
            assert!(got[i].is_finite(), "{label}: element {i} is {}, the oracle has {}", got[i], want[i]);
            sound.0.push(got[i]);
            sound.1.push(want[i]);
        }
    }
    sound
}

/// Compares with the oracle where nothing is spoilt; `map` and `grad` say what is.
fn compare(label: &str, outcomes: &[Outcome], want: &Answer, [map, grad]: [&[bool]; 2], tolerance: f64) {
    for Outcome { way, ssim, grads } in outcomes {
        let label = format!("{label}: {way}");
        if let Some(ssim) = ssim {
            let (got, want) = unspoilt(&label, map, ssim, &want.ssim);
            let error = absolute_error(&got, &want);
            assert!(error <= VALUE_TOLERANCE, "{label}: the value is off by {error:.1e}");
        }
        for (which, (got, want)) in grads.iter().zip([&want.grad_img1, &want.grad_img2]).enumerate() {
            let Some(got) = got else { continue };
            let (got, want) = unspoilt(&label, grad, got, want);
            let error = relative_error(&got, &want);
            assert!(error <= tolerance, "{label}: the gradient of img{} is off by {error:.1e}", which + 1);
        }
    }
}

/// The same where nothing is spoilt at all.
fn check(label: &str, case: Case, pair: &[Vec<f32>; 2], tolerance: f64) {
    let want = answer(case, pair);
    let nothing = [vec![false; want.ssim.len()], vec![false; want.grad_img1.len()]];
    let nothing = nothing.each_ref().map(|spoilt| &spoilt[..]);
    compare(&format!("{label}, {:?}", case.oracle), &every_way(case, pair), &want, nothing, tolerance);
}

/// Which rows, or columns, of the map (counted from its first) and of the gradient a pixel at `at` reaches along an axis of
/// `size` whose map is `region`.
fn reach(at: usize, size: usize, region: std::ops::Range<usize>) -> [Vec<bool>; 2] {
    let sees: Vec<bool> = (0..size).map(|i| region.contains(&i) && i.abs_diff(at) <= RADIUS).collect();
    let grad = (0..size).map(|i| (0..size).any(|map| sees[map] && i.abs_diff(map) <= RADIUS)).collect();
    [sees[region].to_vec(), grad]
}

/// The pixels of a plane in reach of one pixel: those of the map whose window holds it, and those of the gradient that such
/// a map pixel contributes to.
fn spoilt_plane([row, column]: [usize; 2], [_, _, h, w]: Size, padding: Padding) -> [Vec<bool>; 2] {
    let region = |size: usize| if padding == Padding::Same { 0..size } else { RADIUS..size - RADIUS };
    let (rows, columns) = (reach(row, h, region(h)), reach(column, w, region(w)));
    [0, 1].map(|i| rows[i].iter().flat_map(|&row| columns[i].iter().map(move |&column| row && column)).collect())
}

#[test]
fn nan_and_infinity_reach_what_sees_them_and_nothing_else() {
    let Some(_gpu) = Gpu::first("cuda::hazards::nan_and_infinity_reach_what_sees_them_and_nothing_else") else {
        return;
    };
    // Corners, the middle, and both sides of where strips of 108 and 116 columns and chunks of 8 rows meet.
    let places = [
        [0, 0],
        [7, 107],
        [8, 108],
        [15, 115],
        [16, 116],
        [20, 120],
        [23, 215],
        [24, 216],
        [31, 60],
        [33, 231],
        [12, 232],
        [36, 236],
    ];
    let size = [places.len(), 1, 37, 237];
    let plane = size[2] * size[3];
    let specials = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
    // Planes are independent, so each has its own place. The emulator takes each place with one special value, a GPU with all.
    for turn in 0..if is_emulated() { 2 } else { 6 } {
        let mut pair = <[Vec<f32>; 2]>::from(images(Kind::Noise, size));
        for (i, [row, column]) in places.into_iter().enumerate() {
            pair[(i + turn) % 2][i * plane + row * size[3] + column] = specials[(i / 2 + turn) % 3];
        }
        for padding in PADDINGS {
            let mut case = Case::new(Kind::Noise, size);
            (case.oracle.padding, case.oracle.reduction) = (padding, Reduction::Map);
            let planes = places.map(|at| spoilt_plane(at, size, padding));
            let spoilt = [0, 1].map(|i| planes.iter().flat_map(|plane| plane[i].iter().copied()).collect::<Vec<_>>());
            let label = format!("turn {turn}, {padding:?}");
            let want = answer(case, &pair);
            assert!(want.ssim.iter().zip(&spoilt[0]).all(|(value, spoilt)| value.is_nan() == *spoilt), "{label}");
            compare(&label, &every_way(case, &pair), &want, spoilt.each_ref().map(|s| &s[..]), GRADIENT_TOLERANCE);
        }
    }
}

#[test]
fn nan_spoils_the_means_it_belongs_to() {
    let Some(_gpu) = Gpu::first("cuda::hazards::nan_spoils_the_means_it_belongs_to") else { return };
    let size = [2, 2, 20, 20];
    let mut pair = <[Vec<f32>; 2]>::from(images(Kind::Noise, size));
    pair[0][2 * 400 + 7] = f32::NAN;
    for (reduction, spoilt) in [
        (Reduction::Mean, vec![true]),
        (Reduction::PerImage, vec![false, true]),
        (Reduction::PerChannel, vec![false, false, true, false]),
    ] {
        let mut case = Case::new(Kind::Noise, size);
        case.oracle.reduction = reduction;
        // The gradient of a mean is not spoilt as a whole.
        let mut grad = vec![false; 4 * 400];
        grad[2 * 400..][..400].copy_from_slice(&spoilt_plane([0, 7], size, Padding::Same)[1]);
        let (got, want) = (every_way(case, &pair), answer(case, &pair));
        compare(&format!("{reduction:?}"), &got, &want, [&spoilt, &grad], GRADIENT_TOLERANCE);
    }
}

#[test]
fn identical_images_are_exactly_one_and_have_no_gradient() {
    let Some(_gpu) = Gpu::first("cuda::hazards::identical_images_are_exactly_one_and_have_no_gradient") else { return };
    let size = [2, 1, 26, 131];
    let zeros = vec![0.0; images(Kind::Noise, size).0.len()];
    let bright = images(Kind::Noise, size).0.iter().map(|pixel| 1e6 * pixel).collect();
    for image in [images(Kind::Noise, size).0, images(Kind::Photo, size).0, vec![0.3; zeros.len()], zeros, bright] {
        let pair = [image.clone(), image];
        for (padding, reduction) in
            PADDINGS.into_iter().flat_map(|padding| [(padding, Reduction::Mean), (padding, Reduction::Map)])
        {
            let mut case = Case::new(Kind::Noise, size);
            (case.oracle.padding, case.oracle.reduction) = (padding, reduction);
            for Outcome { way, ssim, grads } in every_way(case, &pair) {
                let what = format!("{way}, {:?}, pixels like {}", case.oracle, pair[0][0]);
                assert!(ssim.iter().flatten().all(|&value| value == 1.0), "{what}: {:?}", ssim.map(|values| values[0]));
                assert!(grads.iter().flatten().flatten().all(|&element| element == 0.0), "{what}: the gradient");
            }
        }
    }
}

#[test]
fn constant_and_all_zero_images() {
    let Some(_gpu) = Gpu::first("cuda::hazards::constant_and_all_zero_images") else { return };
    let size = [1, 1, 29, 125];
    let (noise, _) = images(Kind::Noise, size);
    let constant = |value: f32| vec![value; noise.len()];
    for padding in PADDINGS {
        let mut case = Case::new(Kind::Noise, size);
        (case.oracle.padding, case.oracle.reduction) = (padding, Reduction::Map);
        check("black and noise", case, &[constant(0.0), noise.clone()], CONSTANT_GRADIENT_TOLERANCE);
        check("noise and white", case, &[noise.clone(), constant(1.0)], CONSTANT_GRADIENT_TOLERANCE);
        check("black and white", case, &[constant(0.0), constant(1.0)], CONSTANT_GRADIENT_TOLERANCE);
    }
}

#[test]
fn any_range_is_as_accurate_as_one() {
    let Some(_gpu) = Gpu::first("cuda::hazards::any_range_is_as_accurate_as_one") else { return };
    let kinds = [Kind::Noise, Kind::Photo];
    let ranges = [255.0, 65535.0, 1e6, 1e-6, 1e30, 1e-30];
    for (range, kind) in ranges.into_iter().flat_map(|range| kinds.map(|kind| (range, kind))) {
        for padding in PADDINGS {
            let mut case = Case::new(kind, [1, 2, 33, 121]);
            (case.oracle.padding, case.oracle.data_range) = (padding, range);
            check(&format!("range {range:e}, {kind:?}"), case, &case.images(), GRADIENT_TOLERANCE);
        }
    }
}

#[test]
fn subnormal_pixels_are_computed_with() {
    let Some(_gpu) = Gpu::first("cuda::hazards::subnormal_pixels_are_computed_with") else { return };
    // A tenth of the pixels lie below the smallest normal number, and all of them matter.
    let mut case = Case::new(Kind::Noise, [1, 1, 25, 119]);
    case.oracle.data_range = 1e-37;
    let pair = case.images();
    assert!(pair[0].iter().filter(|pixel| pixel.is_subnormal()).count() > pair[0].len() / 20);
    check("a range of subnormal numbers", case, &pair, GRADIENT_TOLERANCE);
    // In a range of 1 they are as good as nothing.
    let case = Case::new(Kind::Noise, case.size());
    for Outcome { way, ssim, grads } in every_way(case, &pair.map(|image| image.iter().map(|x| x * 1e-2).collect())) {
        assert!(ssim.iter().flatten().all(|&value| value == 1.0), "{way}: {ssim:?}");
        assert!(grads.iter().flatten().flatten().all(|element| element.abs() < 1e-30), "{way}");
    }
}

#[test]
fn pixels_far_outside_the_range() {
    let Some(_gpu) = Gpu::first("cuda::hazards::pixels_far_outside_the_range") else { return };
    // Photographs of 0 to 255 with a range of 1: a common mistake, whose result is still that of the formula.
    let size = [1, 1, 40, 125];
    let pair = <[Vec<f32>; 2]>::from(images(Kind::Noise, size)).map(|image| image.iter().map(|x| x * 255.0).collect());
    check("0 to 255 in a range of 1", Case::new(Kind::Noise, size), &pair, GRADIENT_TOLERANCE);
}

#[test]
fn a_bright_pixel_spoils_nothing_that_does_not_see_it() {
    let Some(_gpu) = Gpu::first("cuda::hazards::a_bright_pixel_spoils_nothing_that_does_not_see_it") else { return };
    // Rows in every position of a stage of rows, each in a plane of its own.
    let rows = [12, 13, 14, 15, 16, 17, 18, 19];
    let size = [rows.len(), 1, 33, 125];
    let plane = size[2] * size[3];
    // Products of four pixels overflow above 1e9 ranges, whatever the range.
    for (bright, range) in [(4.0, 1.0), (1e3, 1.0), (1e6, 1.0), (1e8, 1.0), (1e8, 255.0), (1e8, 65535.0)] {
        for padding in PADDINGS {
            let mut case = Case::new(Kind::Noise, size);
            (case.oracle.padding, case.oracle.reduction, case.oracle.data_range) = (padding, Reduction::Map, range);
            let mut pair = case.images();
            for (i, row) in rows.into_iter().enumerate() {
                pair[i % 2][i * plane + row * size[3] + 60] = (bright * range) as f32;
            }
            check(&format!("{bright} ranges of {range} bright"), case, &pair, GRADIENT_TOLERANCE);
        }
    }
}

#[test]
fn a_bright_column_spoils_nothing_that_does_not_see_it() {
    let Some(_gpu) = Gpu::first("cuda::hazards::a_bright_column_spoils_nothing_that_does_not_see_it") else { return };
    // Bright long enough to become the origin of its column's squares, and left in every position of a stage of rows.
    let (column, first_rows, bright_rows) = (60, [8, 9, 10, 11, 12, 13, 14, 15], 9);
    let size = [first_rows.len(), 1, 41, 125];
    let plane = size[2] * size[3];
    let mut pair = <[Vec<f32>; 2]>::from(images(Kind::Noise, size));
    for (i, first) in first_rows.into_iter().enumerate() {
        for row in first..first + bright_rows {
            pair[i % 2][i * plane + row * size[3] + column] = 1e6;
        }
    }
    for padding in PADDINGS {
        let mut case = Case::new(Kind::Noise, size);
        (case.oracle.padding, case.oracle.reduction) = (padding, Reduction::Map);
        // In reach, accuracy is relative to the bright pixels; only the rest is compared.
        let mut seen = [Vec::new(), Vec::new()];
        for first in first_rows {
            let rows = (first..first + bright_rows).map(|row| spoilt_plane([row, column], size, padding));
            let union =
                rows.reduce(|all, one| [0, 1].map(|i| all[i].iter().zip(&one[i]).map(|(a, b)| a | b).collect()));
            let union: [Vec<bool>; 2] = union.expect("there are bright rows");
            seen.iter_mut().zip(union).for_each(|(seen, union)| seen.extend(union));
        }
        let want = answer(case, &pair);
        for Outcome { way, ssim, grads } in every_way(case, &pair) {
            let label = format!("{way}, {padding:?}");
            if let Some(ssim) = ssim {
                let (got, want) = unseen(&seen[0], &ssim, &want.ssim);
                let error = absolute_error(&got, &want);
                assert!(error <= VALUE_TOLERANCE, "{label}: the value is off by {error:.1e}");
            }
            for (got, want) in grads.iter().zip([&want.grad_img1, &want.grad_img2]) {
                let Some(got) = got else { continue };
                let (got, want) = unseen(&seen[1], got, want);
                let error = relative_error(&got, &want);
                assert!(error <= GRADIENT_TOLERANCE, "{label}: a gradient is off by {error:.1e}");
            }
        }
    }
}

/// The elements that `seen` does not name.
fn unseen(seen: &[bool], got: &[f32], want: &[f64]) -> (Vec<f32>, Vec<f64>) {
    assert_eq!([got.len(), want.len()], [seen.len(); 2]);
    let kept = || (0..seen.len()).filter(|&i| !seen[i]);
    (kept().map(|i| got[i]).collect(), kept().map(|i| want[i]).collect())
}
