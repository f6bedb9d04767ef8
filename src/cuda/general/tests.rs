//! What the launches cover, and what memory they use.

use super::*;
use crate::mask::{MaskElement, MaskOptions};
use crate::options::Options;
use crate::problem::Shape;

const WORKSPACE: u64 = 1 << 20;
const INPUTS: Inputs = Inputs { images: [DevicePtr(16), DevicePtr(32)], mask: DevicePtr(48) };

fn problem(shape: [i64; 4], window_size: usize, mask: Option<MaskMode>, shard: Option<Shard>) -> Problem {
    let [n, c, h, w] = shape;
    let mask = mask.map(|mode| MaskOptions { mode, element: MaskElement::F32, layout: Default::default() });
    let options = Options { window_size, mask, shard, ..Options::default() };
    Problem::new(Shape::new(n, c, h, w).unwrap(), &options).unwrap()
}

fn launches(problem: &Problem, grads: [DevicePtr; 2]) -> Vec<Launch> {
    let operation = match grads {
        [DevicePtr::NULL, DevicePtr::NULL] => Operation::Forward { ssim: DevicePtr(64), saved: DevicePtr::NULL },
        _ => Operation::ValueAndGrad { ssim: DevicePtr(64), grads },
    };
    plan(problem, INPUTS, &operation, DevicePtr(WORKSPACE))
}

fn general_params(launch: &Launch) -> Option<GeneralParams> {
    if let Params::General(params) = launch.params { Some(params) } else { None }
}

#[test]
fn launches_cover_every_row_once_and_stay_in_the_workspace() {
    let shard = Shard { rows_above: 32, rows_below: 32, height: 5000, divisor: None };
    for (shape, shard) in [
        ([1, 1, 1, 1], None),
        ([2, 3, 1080, 1920], None),
        ([70_000, 1, 4, 4], None),
        ([1, 1, 20_000, 3000], None),
        ([1, 2, 3000, 3000], Some(shard)),
        ([1, 1, 300, 2_000_000], None),
    ] {
        for window_size in [3, 11, 33] {
            for grads in [[DevicePtr::NULL; 2], [DevicePtr(80), DevicePtr::NULL]] {
                let problem = problem(shape, window_size, None, shard);
                let end = WORKSPACE + workspace_bytes(&problem) as u64;
                let (first, rows) = problem.owned_rows;
                let (mut next_plane, mut next_row, mut next_sum) = (0, first, WORKSPACE);
                for launch in launches(&problem, grads) {
                    let Some(params) = general_params(&launch) else { continue };
                    let blocks_of_plane = (params.tile_rows * params.tile_columns) as u32;
                    let count = (launch.grid / blocks_of_plane) as usize;
                    assert_eq!(launch.grid, blocks_of_plane * count as u32);
                    let halo = if grads[0] == DevicePtr::NULL { 0 } else { problem.window.radius() as i32 };
                    assert_eq!(params.row_begin, (params.own_begin - halo).max(0));
                    assert_eq!(params.row_end, (params.own_end + halo).min(problem.shape.h as i32));
                    let floats = i64::from(GENERAL_PLANES) * params.plane_pixels;
                    assert!(params.planes == DevicePtr::NULL || params.planes.0 + 4 * floats as u64 <= end);
                    let rows_of_blocks = params.tile_rows * GENERAL_ROWS;
                    if launch.kernel == Kernel::GeneralGradient {
                        assert!(rows_of_blocks >= params.own_end - params.own_begin);
                        continue;
                    }
                    assert!(rows_of_blocks >= params.row_end - params.row_begin);
                    assert_eq!((params.first_plane as usize, params.own_begin as usize), (next_plane, next_row));
                    assert_eq!(params.sums.0, next_sum);
                    next_sum += u64::from(launch.grid) * 8;
                    assert!(next_sum <= WORKSPACE + (params.pixel_sums.0 - params.sums.0));
                    assert!(params.pixel_sums.0 + u64::from(launch.grid) * 8 <= end);
                    next_row = params.own_end as usize;
                    if next_row == first + rows {
                        (next_row, next_plane) = (first, next_plane + count);
                    }
                }
                assert_eq!(next_plane, problem.shape.planes(), "{shape:?} {window_size}");
            }
        }
    }
}

#[test]
fn partial_planes_stay_small_whatever_the_image() {
    for shape in [[8, 3, 1080, 1920], [1, 1, 1_000_000, 2000], [100_000, 1, 32, 32]] {
        let problem = problem(shape, 11, None, None);
        let sums = (workspace_bytes(&problem) as u64).min(Memory::new(&problem, DevicePtr(0)).planes.0);
        assert!(workspace_bytes(&problem) as u64 - sums <= 26 << 20, "{shape:?}");
    }
}

#[test]
fn the_weights_of_a_mask_come_first_and_only_for_means() {
    let kernels = |mask, reduction| -> Vec<Kernel> {
        let problem = Problem { reduction, ..problem([1, 1, 40, 40], 11, Some(mask), None) };
        launches(&problem, [DevicePtr(80), DevicePtr(96)]).iter().map(|launch| launch.kernel).collect()
    };
    use Kernel::*;
    assert_eq!(
        kernels(MaskMode::Normalized, Reduction::Mean),
        [GeneralWeights, GeneralTotals, GeneralMapNormalized, GeneralGradient, GeneralReduce]
    );
    assert_eq!(kernels(MaskMode::MultiplyInputs, Reduction::PerImage), [GeneralMap, GeneralGradient, GeneralReduce]);
    assert_eq!(kernels(MaskMode::WeightedMean, Reduction::Map), [GeneralMap, GeneralGradient]);
}
