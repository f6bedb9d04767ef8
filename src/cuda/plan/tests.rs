//! What the launches of strips and tiles cover, and with what arguments.

use super::*;
use crate::options::{Options, Padding, SavedFor};
use crate::problem::Shape;
use crate::shard::Shard;

const H200: DeviceProperties =
    DeviceProperties { ordinal: 0, multiprocessors: 132, compute_capability: (9, 0), max_shared_bytes: 232_448 };

const INPUTS: Inputs = Inputs { images: [DevicePtr(64), DevicePtr(128)], mask: DevicePtr::NULL };

fn problem(n: i64, c: i64, h: i64, w: i64) -> Problem {
    Problem::new(Shape::new(n, c, h, w).unwrap(), &Options::default()).unwrap()
}

fn value_and_grad(problem: &Problem) -> Vec<Launch> {
    let operation = Operation::ValueAndGrad { ssim: DevicePtr(16), grads: [DevicePtr(32), DevicePtr::NULL] };
    plan(problem, INPUTS, &operation, DevicePtr(256), &H200, Family::Fastest)
}

#[test]
fn a_shard_has_the_rows_that_it_owns() {
    let shard = Some(Shard { rows_above: 10, rows_below: 12, height: 100, divisor: None });
    let options = Options { shard, reduction: Reduction::Map, padding: Padding::Valid, ..Options::default() };
    let problem = Problem::new(Shape::new(1, 2, 52, 20).unwrap(), &options).unwrap();
    let [ssim, grad, saved] = [1 << 20, 2 << 20, 3 << 20].map(DevicePtr);
    let plan = |operation| plan(&problem, INPUTS, &operation, DevicePtr(256), &H200, Family::Strips);

    let launches = plan(Operation::ValueAndGrad { ssim, grads: [grad, DevicePtr::NULL] });
    let params = strip_params(&launches[0]);
    assert_eq!((params.height, params.own_begin, params.own_end), (52, 10, 40));
    assert_eq!((params.map_top, params.map_bottom, params.map_rows), (5, 47, 30));
    // Row 10 of the images is row 0 of both, the map's first being row 5.
    assert_eq!(params.grad.data.0 + 10 * 20 * 4, grad.0);
    assert_eq!(params.map.0 + 5 * 10 * 4, ssim.0);

    let launches = plan(Operation::Forward { ssim, saved });
    assert_eq!(launches.iter().map(|launch| launch.kernel).collect::<Vec<_>>(), [Kernel::Value]);
    let grads = [grad, DevicePtr::NULL];
    let launches = plan(Operation::Backward { saved, grad_ssim: DevicePtr::NULL, grads });
    assert_eq!(launches.iter().map(|launch| launch.kernel).collect::<Vec<_>>(), [Kernel::ValueAndGrad]);
}

fn strip_params(launch: &Launch) -> StripParams {
    match launch.params {
        Params::Strip(params) => params,
        _ => panic!("not a strip kernel"),
    }
}

#[test]
fn narrow_windows_are_not_for_strips() {
    for (sigma, kernel) in [
        (1.5, Kernel::ValueAndBothGrads),
        (1.49, Kernel::TileValueAndGrad),
        (0.8, Kernel::TileValueAndGrad),
        (0.79, Kernel::GeneralMap),
    ] {
        let options = Options { sigma, ..Options::default() };
        let problem = Problem::new(Shape::new(1, 3, 1080, 1920).unwrap(), &options).unwrap();
        let operation = Operation::ValueAndGrad { ssim: DevicePtr(16), grads: [DevicePtr(32), DevicePtr(48)] };
        for family in [Family::Fastest, Family::Strips] {
            let launches = plan(&problem, INPUTS, &operation, DevicePtr(256), &H200, family);
            assert_eq!(launches[0].kernel, kernel, "sigma {sigma}, {family:?}");
        }
    }
}

#[test]
fn one_picture_fills_the_device_in_one_wave() {
    let launches = value_and_grad(&problem(1, 3, 1080, 1920));
    assert_eq!(launches.len(), 2);
    assert_eq!(launches[1].kernel, Kernel::Reduce);
    let slots = 132 * FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR as u32;
    assert!(launches[0].grid <= slots && launches[0].grid > slots * 8 / 10, "{}", launches[0].grid);
}

#[test]
fn more_planes_than_a_grid_holds_are_several_launches() {
    let problem = problem(2_000_000_000, 1, 9, 300);
    let launches = value_and_grad(&problem);
    let strips: Vec<&Launch> = launches.iter().filter(|launch| launch.kernel == Kernel::ValueAndGrad).collect();
    assert_eq!(strips.len(), 3);
    let mut next = 0;
    for launch in &strips {
        let params = strip_params(launch);
        let blocks = (params.strips.value * params.chunks.value) as u64;
        assert_eq!(params.first_plane as u64, next);
        assert_eq!(params.partials.0, 256 + next * blocks * 8);
        next += u64::from(launch.grid) / blocks;
    }
    assert_eq!(next, 2_000_000_000);
}

/// Both gradients of a value, from saved partial derivatives and of a loss: kernels and their arguments, without reductions.
fn both_gradients(problem: &Problem, operation: &Operation) -> Vec<(Kernel, StripParams)> {
    plan(problem, INPUTS, operation, DevicePtr(256), &H200, Family::Fastest)
        .iter()
        .filter(|launch| matches!(launch.params, Params::Strip(_)))
        .map(|launch| (launch.kernel, strip_params(launch)))
        .collect()
}

const SSIM: DevicePtr = DevicePtr(16);
const GRADS: [DevicePtr; 2] = [DevicePtr(32), DevicePtr(48)];

#[test]
fn strips_make_both_gradients_in_one_pass() {
    let large = problem(1, 1, 1080, 1920);
    let saved = DevicePtr(1024);
    for (operation, kernel) in [
        (Operation::ValueAndGrad { ssim: SSIM, grads: GRADS }, Kernel::ValueAndBothGrads),
        (Operation::Backward { saved, grad_ssim: DevicePtr::NULL, grads: GRADS }, Kernel::BackwardBoth),
    ] {
        let launches = both_gradients(&large, &operation);
        let [(launched, params)] = launches[..] else { panic!("{launches:?}") };
        assert_eq!(launched, kernel);
        assert_eq!([params.img1.data, params.img2.data], INPUTS.images);
        assert_eq!([params.grad.data, params.grad2.data], GRADS);
    }
}

#[test]
fn one_gradient_from_saved_starts_from_its_own_plane() {
    let saved_for = SavedFor { img1: true, img2: true };
    let (problem, saved) = (Problem { saved_for, ..problem(1, 1, 1080, 1920) }, DevicePtr(1024));
    let plane = (1080 * 1920 * 4) as u64;
    for (which, img1) in INPUTS.images.into_iter().enumerate() {
        let mut grads = [DevicePtr::NULL; 2];
        grads[which] = GRADS[which];
        let launches = both_gradients(&problem, &Operation::Backward { saved, grad_ssim: DevicePtr::NULL, grads });
        let [(kernel, params)] = launches[..] else { panic!("{launches:?}") };
        assert_eq!((kernel, params.img1.data, params.grad.data), (Kernel::Backward, img1, GRADS[which]));
        assert_eq!(params.saved_mean1.0, saved.0 + (2 + which as u64) * plane);
    }
}

#[test]
fn tiles_and_losses_swap_the_images_and_reduce_once() {
    let terms = Loss { pixel: PixelLoss::L1, lambda: 0.2 };
    for (problem, operation, kernel) in [
        (problem(1, 1, 20, 20), Operation::ValueAndGrad { ssim: SSIM, grads: GRADS }, Kernel::TileValueAndGrad),
        (problem(1, 1, 1080, 1920), Operation::Loss { terms, loss: SSIM, grads: GRADS }, Kernel::LossAndGrad),
    ] {
        let launches = plan(&problem, INPUTS, &operation, DevicePtr(256), &H200, Family::Fastest);
        assert_eq!(launches.len(), 3);
        assert_eq!([launches[0].kernel, launches[2].kernel], [kernel; 2]);
        assert!(matches!(launches[1].kernel, Kernel::Reduce | Kernel::GeneralReduce));
        let [first, second] = [&launches[0], &launches[2]].map(strip_params);
        assert_eq!([first.img1.data, first.img2.data, first.grad.data], [DevicePtr(64), DevicePtr(128), GRADS[0]]);
        assert_eq!([second.img1.data, second.img2.data, second.grad.data], [DevicePtr(128), DevicePtr(64), GRADS[1]]);
    }
}

#[test]
fn both_gradients_of_other_types_than_f32_are_of_any_type() {
    let operation = Operation::ValueAndGrad { ssim: SSIM, grads: GRADS };
    for (dtypes, grad_dtypes, kernel) in [
        ([Dtype::F32; 2], [Dtype::F32; 2], Kernel::ValueAndBothGrads),
        ([Dtype::F32; 2], [Dtype::F32, Dtype::F16], Kernel::ValueAndBothGradsOfAnyType),
        ([Dtype::F16; 2], [Dtype::F16; 2], Kernel::ValueAndBothGradsOfAnyType),
    ] {
        let problem = Problem { dtypes, grad_dtypes, ..problem(1, 1, 1080, 1920) };
        let launches = both_gradients(&problem, &operation);
        assert_eq!(launches.iter().map(|launch| launch.0).collect::<Vec<_>>(), [kernel], "{dtypes:?} {grad_dtypes:?}");
    }
}
