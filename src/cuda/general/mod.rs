//! Launches of the general kernels: windows of any size and form, masks, row sharding, losses.
//!
//! The weights of a mask are added up first. Then, band of rows by band of rows, one kernel computes the map and leaves partial
//! planes in the workspace, and another makes gradients of them. Last, the blocks' sums become values. Without a gradient
//! there are no planes, and one band.

mod bands;
#[cfg(test)]
mod tests;

use super::kernel::Kernel;
use super::params::{GeneralParams, GeneralReduceParams, Params, TotalParams};
use super::plan::{Launch, image};
use super::weights::{self, divides_by_sums, groups, weights_mean};
use super::{DevicePtr, Inputs, Operation};
use crate::geometry::*;
use crate::loss::{Loss, PixelLoss};
use crate::mask::MaskMode;
use crate::options::{Output, Reduction};
use crate::problem::Problem;
use crate::shard::Shard;
use crate::units::Units;
use bands::{Band, Bands, COLUMNS, Memory, ROWS, tile_columns};

/// The launches of a call, in order.
pub(super) fn plan(problem: &Problem, inputs: Inputs, operation: &Operation, workspace: DevicePtr) -> Vec<Launch> {
    let (out, upstream, grads, loss) = match *operation {
        Operation::Forward { ssim, .. } => (ssim, DevicePtr::NULL, [DevicePtr::NULL; 2], None),
        Operation::Backward { grad_ssim, grads, .. } => (DevicePtr::NULL, grad_ssim, grads, None),
        Operation::ValueAndGrad { ssim, grads } => (ssim, DevicePtr::NULL, grads, None),
        Operation::Loss { terms, loss, grads } => (loss, DevicePtr::NULL, grads, Some(terms)),
    };
    let backward = grads.iter().any(|&grad| grad != DevicePtr::NULL);
    let planner = Planner {
        problem,
        inputs,
        upstream,
        grads,
        loss,
        output: if loss.is_some() { Loss::dissimilarity(problem) } else { problem.output },
        bands: Bands::new(problem, backward),
        memory: Memory::new(problem, workspace),
    };
    planner.launches(out, backward)
}

/// Bytes of workspace that any call of this problem needs, if it runs here.
pub(super) fn workspace_bytes(problem: &Problem) -> usize {
    Memory::new(problem, DevicePtr::NULL).end.0 as usize
}

struct Planner<'a> {
    problem: &'a Problem,
    inputs: Inputs,
    upstream: DevicePtr,
    grads: [DevicePtr; 2],
    loss: Option<Loss>,
    output: Output,
    bands: Bands,
    memory: Memory,
}

impl Planner<'_> {
    fn launches(&self, out: DevicePtr, backward: bool) -> Vec<Launch> {
        let problem = self.problem;
        let reduces = out != DevicePtr::NULL && problem.reduction != Reduction::Map;
        let mut launches = Vec::with_capacity(8);
        if weights_mean(problem) && problem.reduction != Reduction::Map {
            weights::push_launches(&mut launches, problem, self.inputs, self.memory.weight_sums);
            launches.push(self.total_weights());
        }
        let params = GeneralParams {
            map: if problem.reduction == Reduction::Map { out } else { DevicePtr::NULL },
            planes: if backward { self.memory.planes } else { DevicePtr::NULL },
            ..self.params()
        };
        let normalized = problem.mask.is_some_and(|mask| mask.mode == MaskMode::Normalized);
        let map_kernel = if normalized { Kernel::GeneralMapNormalized } else { Kernel::GeneralMap };
        let planes = problem.shape.planes();
        let blocks_per_plane = self.bands.blocks_per_plane(problem);
        for first_plane in (0..planes).step_by(self.bands.planes_per_launch) {
            let count = self.bands.planes_per_launch.min(planes - first_plane);
            let mut first_block = first_plane * blocks_per_plane;
            for index in 0..self.bands.count(problem) {
                let band = self.bands.band(problem, index);
                let params = self.of_band(params, band, first_plane, count, first_block);
                let blocks = self.push(&mut launches, map_kernel, params, band.map_rows(), count);
                if backward {
                    self.push(&mut launches, Kernel::GeneralGradient, params, band.own_rows(), count);
                }
                first_block += blocks / count;
            }
        }
        if reduces {
            let per_group = problem.planes_per_group() * blocks_per_plane;
            launches.push(self.reduction(per_group, out));
        }
        launches
    }

    /// The totals of the weights, for every block of the gradient.
    fn total_weights(&self) -> Launch {
        Launch {
            kernel: Kernel::GeneralTotals,
            grid: groups(self.problem) as u32,
            block: Kernel::GeneralTotals.threads(),
            shared_bytes: 0,
            params: Params::Totals(TotalParams {
                sums: self.memory.weight_sums,
                totals: self.memory.totals,
                parts: weights::parts(self.problem) as i32,
            }),
        }
    }

    fn reduction(&self, per_group: usize, out: DevicePtr) -> Launch {
        let (problem, loss) = (self.problem, self.loss);
        let mean = 1.0 / problem.mean_factor();
        Launch {
            kernel: Kernel::GeneralReduce,
            grid: groups(problem) as u32,
            block: Kernel::GeneralReduce.threads(),
            shared_bytes: 0,
            params: Params::GeneralReduce(GeneralReduceParams {
                sums: self.memory.sums,
                pixel_sums: if loss.is_some() { self.memory.pixel_sums } else { DevicePtr::NULL },
                map_weights: DevicePtr::NULL,
                weight_sums: self.totals(),
                out,
                per_group: per_group as i64,
                weight_parts: 1,
                divisor: self.divisor().unwrap_or(0.0),
                map_weight: (problem.planes_per_group() * problem.map_pixels()) as f64,
                map_total: mean,
                pixel_total: 1.0 / problem.pixel_factor(),
                pixel_unit: 1.0,
                base: self.output.of(1.0),
                scale: self.output.scale(),
                lambda: loss.map_or(1.0, |loss| loss.lambda),
            }),
        }
    }

    /// What of a shard's options the sums are divided by.
    fn divisor(&self) -> Option<f64> {
        self.problem.shard.and_then(|shard: Shard| shard.divisor)
    }

    /// Where the weights of the groups are, if means are weighted.
    fn totals(&self) -> DevicePtr {
        let weighted = weights_mean(self.problem) && self.problem.reduction != Reduction::Map;
        if weighted { self.memory.totals } else { DevicePtr::NULL }
    }

    /// A launch over `count` planes of so many rows; returns its blocks.
    fn push(
        &self,
        launches: &mut Vec<Launch>,
        kernel: Kernel,
        params: GeneralParams,
        rows: usize,
        count: usize,
    ) -> usize {
        let (tile_rows, tile_columns) = (rows.div_ceil(ROWS), tile_columns(self.problem));
        let blocks = count * tile_rows * tile_columns;
        launches.push(Launch {
            kernel,
            grid: blocks as u32,
            block: kernel.threads(),
            shared_bytes: self.shared_bytes(kernel),
            params: Params::General(GeneralParams {
                tile_rows: tile_rows as i32,
                tile_columns: tile_columns as i32,
                ..params
            }),
        });
        blocks
    }

    /// Dynamic shared memory of a block, as its parts are laid out in general_map.cu and general_gradient.cu.
    fn shared_bytes(&self, kernel: Kernel) -> u32 {
        let halo = 2 * self.problem.window.radius();
        let pitch = (COLUMNS + halo) | 1;
        let (pixels, rows) = ((ROWS + halo) * pitch, ROWS * pitch);
        let floats = match kernel {
            Kernel::GeneralMap => 2 * pixels + 4 * rows,
            Kernel::GeneralMapNormalized => 3 * pixels + 5 * rows,
            _ => GENERAL_PLANES as usize * rows,
        };
        (floats * size_of::<f32>()) as u32
    }

    /// Where a launch works. `first_block`: the number of its first block among those of all planes.
    fn of_band(
        &self,
        params: GeneralParams,
        band: Band,
        first_plane: usize,
        count: usize,
        first_block: usize,
    ) -> GeneralParams {
        let offset = (first_block * size_of::<f64>()) as u64;
        GeneralParams {
            sums: DevicePtr(self.memory.sums.0 + offset),
            pixel_sums: DevicePtr(self.memory.pixel_sums.0 + offset),
            plane_pixels: (count * band.map_rows() * self.problem.shape.w) as i64,
            first_plane: first_plane as i32,
            row_begin: band.row_begin as i32,
            row_end: band.row_end as i32,
            own_begin: band.own_begin as i32,
            own_end: band.own_end as i32,
            ..params
        }
    }

    /// The arguments that are the same for every launch.
    fn params(&self) -> GeneralParams {
        let problem = self.problem;
        let Problem { shape, map, c1, c2, .. } = *problem;
        let units = Units::new(problem);
        let scales = units.scales;
        let present = problem.present();
        let lambda = self.loss.map_or(1.0, |loss| loss.lambda);
        // What a mask weights is divided by sums that only the device knows, unless they are given.
        let known = !divides_by_sums(problem);
        let factors = if known { [problem.mean_factor(), problem.pixel_factor()] } else { [1.0; 2] };
        let grad = |index: usize, strides| image(self.grads[index], strides, problem.grad_dtypes[index]);
        GeneralParams {
            img1: image(self.inputs.images[0], problem.img1, problem.dtypes[0]),
            img2: image(self.inputs.images[1], problem.img2, problem.dtypes[1]),
            grad1: grad(0, problem.grad_img1),
            grad2: grad(1, problem.grad_img2),
            mask: weights::mask(problem, self.inputs),
            planes: DevicePtr::NULL,
            map: DevicePtr::NULL,
            upstream: self.upstream,
            sums: DevicePtr::NULL,
            pixel_sums: DevicePtr::NULL,
            totals: if known { DevicePtr::NULL } else { self.totals() },
            plane_pixels: 0,
            first_plane: 0,
            channels: shape.c as i32,
            height: shape.h as i32,
            width: shape.w as i32,
            planes_per_group: problem.planes_per_group() as i32,
            tile_rows: 0,
            tile_columns: 0,
            row_begin: 0,
            row_end: 0,
            own_begin: 0,
            own_end: 0,
            map_top: map.top as i32,
            map_left: map.left as i32,
            map_bottom: map.bottom() as i32,
            map_right: map.right() as i32,
            present_top: present.top as i32,
            present_bottom: present.bottom() as i32,
            grad_row: problem.owned_rows.0 as i32,
            radius: problem.window.radius() as i32,
            mask_mode: self.mask_mode(),
            upstream_mode: match problem.reduction {
                _ if self.upstream == DevicePtr::NULL => UPSTREAM_NONE,
                Reduction::Map => UPSTREAM_MAP,
                _ => UPSTREAM_GROUP,
            },
            pixel_loss: match self.loss.map(|loss| loss.pixel) {
                None => PIXEL_NONE,
                Some(PixelLoss::L1) => PIXEL_L1,
                Some(PixelLoss::L2) => PIXEL_L2,
            },
            scale1: scales[0] as f32,
            scale2: scales[1] as f32,
            unscale: units.unscale(problem) as f32,
            two_c1: units.squared(2.0 * f64::from(c1)),
            two_c2: units.squared(2.0 * f64::from(c2)),
            map_base: self.output.of(1.0) as f32,
            map_scale: self.output.scale() as f32,
            grad_factor: lambda * self.output.scale() * factors[0],
            pixel_factor: (1.0 - lambda) * factors[1],
            image_factor1: scales[0],
            image_factor2: scales[1],
            pixel_scale1: problem.scales[0],
            pixel_scale2: problem.scales[1],
            taps: taps(problem),
        }
    }

    fn mask_mode(&self) -> i32 {
        match self.problem.mask.map(|mask| mask.mode) {
            None => MASK_NONE,
            Some(MaskMode::WeightedMean) => MASK_WEIGHTED_MEAN,
            Some(MaskMode::MultiplyInputs) => MASK_MULTIPLY_INPUTS,
            Some(MaskMode::Normalized) => MASK_NORMALIZED,
        }
    }
}

fn taps(problem: &Problem) -> [f32; MAX_TAPS as usize] {
    let taps = problem.window.taps();
    std::array::from_fn(|k| taps.get(k).map_or(0.0, |&tap| tap as f32))
}
