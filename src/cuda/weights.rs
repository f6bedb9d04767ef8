//! The sums of a mask that weighted means and their gradients are divided by.

use super::kernel::Kernel;
use super::params::{Divisor, Image, Params, WeightParams};
use super::plan::{Launch, MAX_GRID, image};
use super::{DevicePtr, Inputs};
use crate::geometry::*;
use crate::layout::{Dtype, Strides};
use crate::mask::{MaskElement, MaskSpec};
use crate::options::Reduction;
use crate::problem::Problem;

/// Whether a mask weights the mean.
pub(super) fn weights_mean(problem: &Problem) -> bool {
    problem.mask.is_some_and(|mask| mask.mode.weights_mean())
}

/// Whether means are divided by a sum of weights that only the device knows.
pub(super) fn divides_by_sums(problem: &Problem) -> bool {
    let given = problem.shard.is_some_and(|shard| shard.divisor.is_some());
    weights_mean(problem) && !given && problem.reduction != Reduction::Map
}

/// How many groups of planes have a mean of their own.
pub(super) fn groups(problem: &Problem) -> usize {
    problem.shape.planes() / problem.planes_per_group()
}

/// Bytes of the parts of both sums of every group: of the weights over the map, and over all pixels.
pub(super) fn sum_bytes(problem: &Problem) -> usize {
    if weights_mean(problem) { parts(problem) * total_bytes(problem) } else { 0 }
}

/// Bytes of the sums themselves.
pub(super) fn total_bytes(problem: &Problem) -> usize {
    if weights_mean(problem) { 2 * groups(problem) * size_of::<f64>() } else { 0 }
}

/// The mask as the kernels read it.
pub(super) fn mask(problem: &Problem, inputs: Inputs) -> Image {
    let none = || image(DevicePtr::NULL, Strides { n: 0, c: 0, h: 0, w: 0, extent: 0 }, Dtype::F32);
    problem.mask.map_or_else(none, |MaskSpec { element, strides, .. }| {
        let dtype = match element {
            MaskElement::F32 => Dtype::F32,
            MaskElement::U8 => Dtype::U8,
        };
        image(inputs.mask, strides, dtype)
    })
}

/// Parts of each sum of weights, 0 without a mask.
pub(super) fn parts(problem: &Problem) -> usize {
    if weights_mean(problem) { Sums::new(problem).parts() } else { 0 }
}

/// How a mask is added up. What several planes or groups share is added up once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    /// Sums, each of so many planes of the mask.
    count: usize,
    planes: usize,
    /// Planes of the mask for an image.
    channels: usize,
    /// Groups of planes with the same weights.
    groups_per_sum: usize,
    /// Planes of a group with the same weights.
    repeats: usize,
    /// Tiles of a plane, and of a row of tiles.
    tiles: usize,
    column_tiles: usize,
    /// Blocks among which the tiles of a plane are divided, and the planes.
    tile_parts: usize,
    plane_parts: usize,
}

impl Sums {
    fn new(problem: &Problem) -> Sums {
        let shared = problem.mask.is_some_and(|mask| mask.strides.c == 0);
        let (c, group_planes) = (problem.shape.c, problem.planes_per_group());
        let (repeats, groups_per_sum) = match shared {
            true if group_planes == 1 => (1, c),
            true => (c, 1),
            false => (1, 1),
        };
        let planes = group_planes / repeats;
        let column_tiles = problem.shape.w.div_ceil(WEIGHT_COLUMNS as usize);
        let tiles = problem.owned_rows.1.div_ceil(WEIGHT_ROWS as usize) * column_tiles;
        let tile_parts = tiles.min(WEIGHT_PARTS as usize);
        let plane_parts = planes.min(WEIGHT_PARTS as usize / tile_parts);
        Sums {
            count: groups(problem) / groups_per_sum,
            planes,
            channels: if shared { 1 } else { c },
            groups_per_sum,
            repeats,
            tiles,
            column_tiles,
            tile_parts,
            plane_parts,
        }
    }

    fn parts(self) -> usize {
        self.tile_parts * self.plane_parts
    }
}

/// Adds up the weights of each group of planes: `sums` receives sum_bytes.
pub(super) fn push_launches(launches: &mut Vec<Launch>, problem: &Problem, inputs: Inputs, sums: DevicePtr) {
    let of = Sums::new(problem);
    let (first, rows) = problem.owned_rows;
    let sums_per_launch = MAX_GRID / of.parts();
    for first_sum in (0..of.count).step_by(sums_per_launch) {
        launches.push(Launch {
            kernel: Kernel::GeneralWeights,
            grid: (sums_per_launch.min(of.count - first_sum) * of.parts()) as u32,
            block: Kernel::GeneralWeights.threads(),
            shared_bytes: 0,
            params: Params::Weights(WeightParams {
                mask: mask(problem, inputs),
                sums,
                repeats: of.repeats as f64,
                first_sum: first_sum as i32,
                groups_per_sum: of.groups_per_sum as i32,
                planes: of.planes as i32,
                tiles: of.tiles as i32,
                plane_parts: of.plane_parts as i32,
                parts: Divisor::new(of.parts()),
                tile_parts: Divisor::new(of.tile_parts),
                column_tiles: Divisor::new(of.column_tiles),
                channels: Divisor::new(of.channels),
                width: problem.shape.w as i32,
                own_begin: first as i32,
                own_end: (first + rows) as i32,
                map_top: problem.map.top as i32,
                map_left: problem.map.left as i32,
                map_bottom: problem.map.bottom() as i32,
                map_right: problem.map.right() as i32,
            }),
        });
    }
}
