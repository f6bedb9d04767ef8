//! The sums of a mask that weighted means and their gradients are divided by.

use super::kernel::Kernel;
use super::params::{Image, Params, TotalParams, WeightParams};
use super::plan::{Launch, MAX_GRID, image};
use super::{DevicePtr, Inputs};
use crate::geometry::*;
use crate::layout::{Dtype, Strides};
use crate::mask::{MaskElement, MaskSpec};
use crate::problem::{Problem, Reduction};

/// Where the launches leave their results.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// A sum over the map for each block.
    pub(super) sums: DevicePtr,
    /// The same over all pixels.
    pub(super) pixel_sums: DevicePtr,
    /// Two sums for each group of planes.
    pub(super) totals: DevicePtr,
}

/// Whether a mask weights the mean.
pub(super) fn weights_mean(problem: &Problem) -> bool {
    problem.mask.is_some_and(|mask| mask.mode.weights_mean())
}

/// Whether means are divided by a sum of weights that only the device knows.
pub(super) fn divides_by_totals(problem: &Problem) -> bool {
    let given = problem.shard.is_some_and(|shard| shard.divisor.is_some());
    weights_mean(problem) && !given && problem.reduction != Reduction::Map
}

/// How many groups of planes have a mean of their own.
pub(super) fn groups(problem: &Problem) -> usize {
    problem.shape.planes() / problem.planes_per_group()
}

/// Bytes of the sums of every group.
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

/// Blocks that add up a plane of the mask.
pub(super) fn blocks_per_plane(problem: &Problem) -> usize {
    problem.owned_rows.1.div_ceil(GENERAL_ROWS as usize) * column_chunks(problem)
}

fn column_chunks(problem: &Problem) -> usize {
    problem.shape.w.div_ceil(WEIGHT_COLUMNS as usize)
}

/// Adds up the weights of each group of planes. What all channels share is added up once.
pub(super) fn push_launches(launches: &mut Vec<Launch>, problem: &Problem, inputs: Inputs, memory: Memory) {
    let mask = mask(problem, inputs);
    let shared = mask.stride_c == 0;
    let (first, rows) = problem.owned_rows;
    let (n, c) = (problem.shape.n, problem.shape.c);
    let channels = if shared { 1 } else { c };
    let (planes, blocks) = (n * channels, blocks_per_plane(problem));
    let planes_per_launch = (MAX_GRID / blocks).max(1);
    for first_plane in (0..planes).step_by(planes_per_launch) {
        let count = planes_per_launch.min(planes - first_plane);
        let offset = (first_plane * blocks * size_of::<f64>()) as u64;
        launches.push(Launch {
            kernel: Kernel::GeneralWeights,
            grid: (count * blocks) as u32,
            block: Kernel::GeneralWeights.threads(),
            shared_bytes: 0,
            params: Params::Weights(WeightParams {
                mask,
                sums: DevicePtr(memory.sums.0 + offset),
                pixel_sums: DevicePtr(memory.pixel_sums.0 + offset),
                first_plane: first_plane as i32,
                channels: channels as i32,
                width: problem.shape.w as i32,
                chunks: blocks as i32,
                column_chunks: column_chunks(problem) as i32,
                own_begin: first as i32,
                own_end: (first + rows) as i32,
                map_top: problem.map.top as i32,
                map_left: problem.map.left as i32,
                map_bottom: problem.map.bottom() as i32,
                map_right: problem.map.right() as i32,
            }),
        });
    }
    // Of the planes of a group, `repeats` share each plane of the mask; or a plane of the mask serves several groups.
    let group_planes = problem.planes_per_group();
    let (repeats, groups_per_sum) = match shared {
        true if group_planes == 1 => (1, c),
        true => (c, 1),
        false => (1, 1),
    };
    launches.push(Launch {
        kernel: Kernel::GeneralTotals,
        grid: groups(problem) as u32,
        block: Kernel::GeneralTotals.threads(),
        shared_bytes: 0,
        params: Params::Totals(TotalParams {
            sums: memory.sums,
            pixel_sums: memory.pixel_sums,
            totals: memory.totals,
            per_sum: (group_planes / repeats * blocks) as i64,
            groups_per_sum: groups_per_sum as i64,
            repeats: repeats as f64,
        }),
    });
}
