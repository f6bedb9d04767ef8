//! What the launches of strips and tiles cover, and with what arguments.

use super::*;
use crate::problem::{Options, Padding, Shape};
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

#[test]
fn both_gradients_swap_the_images_and_reduce_once() {
    let operation = Operation::ValueAndGrad { ssim: DevicePtr(16), grads: [DevicePtr(32), DevicePtr(48)] };
    let launches = plan(&problem(1, 1, 20, 20), INPUTS, &operation, DevicePtr(256), &H200, Family::Fastest);
    let kernels: Vec<Kernel> = launches.iter().map(|launch| launch.kernel).collect();
    assert_eq!(kernels, [Kernel::TileValueAndGrad, Kernel::Reduce, Kernel::TileValueAndGrad]);
    let (first, second) = (strip_params(&launches[0]), strip_params(&launches[2]));
    assert_eq!((first.img1.data, first.img2.data, first.grad.data), (DevicePtr(64), DevicePtr(128), DevicePtr(32)));
    assert_eq!((second.img1.data, second.img2.data, second.grad.data), (DevicePtr(128), DevicePtr(64), DevicePtr(48)));
}
