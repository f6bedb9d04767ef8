//! Which kernels a call launches, on what grids, with what arguments. Nothing here talks to the driver.

use super::cut::{Cut, Family};
use super::kernel::Kernel;
use super::params::{Divisor, GeneralReduceParams, Image, Params, ReduceParams, StripParams};
use super::pixels::{pair_of, pixel_mode};
use super::weights::{self, divides_by_sums, sum_bytes, weights_mean};
use super::{DevicePtr, Inputs, Operation, general};
use crate::geometry::*;
use crate::layout::{Dtype, Strides};
use crate::loss::{Loss, PixelLoss};
use crate::mask::MaskMode;
use crate::options::{Output, Reduction};
use crate::problem::Problem;
use crate::units::Units;
use crate::window::{MIN_STRIP_SIGMA, WindowShape};

/// What of a device decides how work is cut up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceProperties {
    pub ordinal: i32,
    pub multiprocessors: i32,
    pub compute_capability: (i32, i32),
    /// Shared memory that a block may ask for.
    pub max_shared_bytes: i32,
}

/// One kernel launch; the grid is one-dimensional.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Launch {
    pub kernel: Kernel,
    pub grid: u32,
    pub block: u32,
    pub shared_bytes: u32,
    pub params: Params,
}

/// The most blocks of one launch.
pub(super) const MAX_GRID: usize = i32::MAX as usize;

/// Whether strips and tiles compute this.
pub(super) fn suits_strips(problem: &Problem) -> bool {
    let mask = problem.mask.is_none_or(|mask| mask.mode == MaskMode::WeightedMean);
    problem.has_tuned_window() && problem.window.shape() == WindowShape::Gaussian && mask
}

/// Whether the general kernels do this, and not those that are tuned for the default window. `saved` is made and read by
/// strips alone, whatever the family.
fn is_general(problem: &Problem, operation: &Operation, family: Family) -> bool {
    let keeps_partials = problem.keeps_partials() && saved_of(operation) != DevicePtr::NULL;
    !suits_strips(problem) || (family == Family::General && !keeps_partials)
}

fn saved_of(operation: &Operation) -> DevicePtr {
    match *operation {
        Operation::Forward { saved, .. } | Operation::Backward { saved, .. } => saved,
        Operation::ValueAndGrad { .. } | Operation::Loss { .. } => DevicePtr::NULL,
    }
}

/// The launches of a call, in order.
pub(crate) fn plan(
    problem: &Problem,
    inputs: Inputs,
    operation: &Operation,
    workspace: DevicePtr,
    device: &DeviceProperties,
    family: Family,
) -> Vec<Launch> {
    if is_general(problem, operation, family) {
        return general::plan(problem, inputs, operation, workspace);
    }
    let family = if problem.window.is_narrower(MIN_STRIP_SIGMA) { Family::Tiles } else { family };
    let (loss, output) = match *operation {
        Operation::Loss { terms, .. } => (Some(terms), Loss::dissimilarity(problem)),
        _ => (None, problem.output),
    };
    // Where backward computes everything again there is nothing in `saved`, not even room.
    let saved = if problem.keeps_partials() { saved_of(operation) } else { DevicePtr::NULL };
    let launches = Vec::with_capacity(4);
    let mut planner = Planner { problem, inputs, workspace, device, family, loss, output, launches };
    if weights_mean(problem) && problem.reduction != Reduction::Map && !matches!(operation, Operation::Forward { .. }) {
        weights::push_launches(&mut planner.launches, problem, inputs, workspace);
    }
    match *operation {
        Operation::Forward { ssim, .. } => {
            let kernel = if saved == DevicePtr::NULL { Kernel::Value } else { Kernel::Forward };
            let params = StripParams { map: planner.map_of(ssim), ..planner.with_saved(planner.params(false), saved) };
            planner.value(kernel, params, ssim);
        }
        Operation::ValueAndGrad { ssim, grads } => {
            planner.fused(Kernel::ValueAndGrad, grads, DevicePtr::NULL, Some(ssim));
        }
        Operation::Backward { grad_ssim, grads, .. } if saved == DevicePtr::NULL => {
            planner.fused(Kernel::ValueAndGrad, grads, grad_ssim, None);
        }
        Operation::Backward { grad_ssim, grads, .. } => {
            let planes = planner.with_saved(planner.params(false), saved);
            let params = StripParams {
                saved_pu: planes.saved_pu,
                saved_pv: planes.saved_pv,
                saved_mean1: if grads[0] == DevicePtr::NULL { planes.saved_mean2 } else { planes.saved_mean1 },
                saved_mean2: planes.saved_mean2,
                ..planner.with_gradients(grads, grad_ssim)
            };
            planner.strips(if are_both(grads) { Kernel::BackwardBoth } else { Kernel::Backward }, params);
        }
        Operation::Loss { loss, grads: [DevicePtr::NULL, DevicePtr::NULL], .. } => {
            planner.value(Kernel::Loss, planner.params(false), loss);
        }
        Operation::Loss { loss, grads, .. } => planner.fused(Kernel::LossAndGrad, grads, DevicePtr::NULL, Some(loss)),
    }
    planner.launches
}

/// Whether the gradients of both images are wanted.
fn are_both(grads: [DevicePtr; 2]) -> bool {
    !grads.contains(&DevicePtr::NULL)
}

struct Planner<'a> {
    problem: &'a Problem,
    inputs: Inputs,
    workspace: DevicePtr,
    device: &'a DeviceProperties,
    family: Family,
    /// What is wanted, if it is a loss.
    loss: Option<Loss>,
    /// What of SSIM is returned.
    output: Output,
    launches: Vec<Launch>,
}

impl Planner<'_> {
    /// The arguments that do not depend on the operation. `swapped`: the images change roles, for the gradient of img2 alone.
    fn params(&self, swapped: bool) -> StripParams {
        let taps = self.problem.window.default_size().expect("refuse_unsupported let this size through");
        let Problem { shape, map, c1, c2, owned_rows: (first_row, rows), .. } = *self.problem;
        let present = self.problem.present();
        let units = Units::new(self.problem);
        let Units { scales, range } = units;
        let dtypes = self.problem.dtypes;
        let img1 = image(self.inputs.images[0], self.problem.img1, dtypes[0]);
        let img2 = image(self.inputs.images[1], self.problem.img2, dtypes[1]);
        let [img1, img2] = in_order([img1, img2], swapped);
        let scales = in_order(scales, swapped);
        let [scale1, scale2] = scales.map(|scale| scale as f32);
        StripParams {
            img1,
            img2,
            grad: image(DevicePtr::NULL, self.problem.grad_img1, Dtype::F32),
            map: DevicePtr::NULL,
            saved_pu: DevicePtr::NULL,
            saved_pv: DevicePtr::NULL,
            saved_mean1: DevicePtr::NULL,
            saved_mean2: DevicePtr::NULL,
            upstream: DevicePtr::NULL,
            partials: self.partials(),
            second_partials: DevicePtr::NULL,
            first_plane: 0,
            channels: Divisor::new(shape.c),
            height: shape.h as i32,
            width: shape.w as i32,
            own_begin: first_row as i32,
            own_end: (first_row + rows) as i32,
            map_top: present.top as i32,
            map_left: present.left as i32,
            map_bottom: present.bottom() as i32,
            map_right: present.right() as i32,
            map_rows: map.height as i32,
            strips: Divisor::new(1),
            chunks: Divisor::new(1),
            chunk_rows: 0,
            saved_pitch: self.problem.saved_pitch() as i32,
            upstream_mode: UPSTREAM_NONE,
            planes_per_group: self.problem.planes_per_group() as i32,
            pixel_mode: pixel_mode([img1.element, img2.element], scales),
            pixel_loss: match self.loss.map(|loss| loss.pixel) {
                None => PIXEL_NONE,
                Some(PixelLoss::L1) => PIXEL_L1,
                Some(PixelLoss::L2) => PIXEL_L2,
            },
            scale1,
            scale2,
            two_c1: units.squared(2.0 * f64::from(c1)),
            two_c2: units.squared(2.0 * f64::from(c2)),
            origin_squares: units.squared(f64::from(STAGE_ROWS) * ORIGIN_DISTANCE * ORIGIN_DISTANCE),
            bright: (BRIGHT * range) as f32,
            grad_scale: 0.0,
            pixel_grad_scale: 0.0,
            map_base: self.output.of(1.0) as f32,
            map_scale: self.output.scale() as f32,
            taps,
            tap_tails: tap_tails(&taps),
            weight_parts: weights::parts(self.problem) as i32,
            mask: weights::mask(self.problem, self.inputs),
            weight_sums: if divides_by_sums(self.problem) { self.workspace } else { DevicePtr::NULL },
            grad2: image(DevicePtr::NULL, self.problem.grad_img2, Dtype::F32),
            grad_scale2: 0.0,
        }
    }

    /// The arguments of a launch that makes one gradient, or both.
    fn with_gradients(&self, grads: [DevicePtr; 2], upstream: DevicePtr) -> StripParams {
        match grads {
            [first, DevicePtr::NULL] => self.with_gradient(false, first, upstream),
            [DevicePtr::NULL, second] => self.with_gradient(true, second, upstream),
            [first, second] => {
                let second = self.with_gradient(true, second, upstream);
                StripParams {
                    grad2: second.grad,
                    grad_scale2: second.grad_scale,
                    ..self.with_gradient(false, first, upstream)
                }
            }
        }
    }

    fn with_gradient(&self, swapped: bool, grad: DevicePtr, upstream: DevicePtr) -> StripParams {
        let Problem { grad_img1, grad_img2, grad_dtypes, .. } = self.problem;
        let [strides, _] = in_order([grad_img1, grad_img2], swapped);
        let [dtype, _] = in_order(*grad_dtypes, swapped);
        let units = Units::new(self.problem);
        let [scale, _] = in_order(units.scales, swapped);
        let [pixel_scale, _] = in_order(self.problem.scales, swapped);
        let (share, pixel_factor) = match self.loss {
            None => (1.0, 0.0),
            Some(Loss { pixel: PixelLoss::L1, lambda }) => (lambda, 1.0 - lambda),
            Some(Loss { pixel: PixelLoss::L2, lambda }) => (lambda, (1.0 - lambda) * 2.0 * units.unscale(self.problem)),
        };
        let upstream_mode = match self.problem.reduction {
            _ if upstream == DevicePtr::NULL => UPSTREAM_NONE,
            Reduction::Map => UPSTREAM_MAP,
            _ => UPSTREAM_GROUP,
        };
        // What a mask weights is divided by its sums on the device.
        let known = !divides_by_sums(self.problem);
        let [mean, pixel_mean] =
            if known { [self.problem.mean_factor(), self.problem.pixel_factor()] } else { [1.0; 2] };
        StripParams {
            grad: self.gradient(grad, *strides, dtype),
            upstream,
            upstream_mode,
            grad_scale: (share * mean * self.output.scale() * scale) as f32,
            pixel_grad_scale: (pixel_factor * pixel_mean * pixel_scale) as f32,
            ..self.params(swapped)
        }
    }

    /// A gradient, which begins with the first owned row: at the address that row 0 of the images would have.
    fn gradient(&self, grad: DevicePtr, strides: Strides, dtype: Dtype) -> Image {
        let first = image(grad, strides, dtype);
        let above = first.stride_h as u64 * self.problem.owned_rows.0 as u64;
        Image { data: DevicePtr(grad.0.wrapping_sub(above)), ..first }
    }

    /// Splits `saved` into its planes: those of u^2 and v^2, then the mean part of each gradient that it serves.
    fn with_saved(&self, params: StripParams, saved: DevicePtr) -> StripParams {
        if saved == DevicePtr::NULL {
            return params;
        }
        let plane_bytes =
            self.problem.shape.planes() * self.problem.shape.h * self.problem.saved_pitch() * size_of::<f32>();
        let plane = |index: usize| DevicePtr(saved.0 + (index * plane_bytes) as u64);
        let serves = self.problem.saved_for;
        StripParams {
            saved_pu: plane(0),
            saved_pv: plane(1),
            saved_mean1: if serves.img1 { plane(2) } else { DevicePtr::NULL },
            saved_mean2: if serves.img2 { plane(2 + usize::from(serves.img1)) } else { DevicePtr::NULL },
            ..params
        }
    }

    /// Where the map goes: to `ssim` itself if nothing is reduced, else nowhere. It begins with the first owned row: at the
    /// address that the first row with an SSIM would have.
    fn map_of(&self, ssim: DevicePtr) -> DevicePtr {
        if self.problem.reduction != Reduction::Map {
            return DevicePtr::NULL;
        }
        let rows_above = self.problem.map.top - self.problem.present().top;
        DevicePtr(ssim.0.wrapping_sub((rows_above * self.problem.map.width * size_of::<f32>()) as u64))
    }

    /// The SSIM of the group's map if no pixel differs. That of a shard is its share of it.
    fn value_of_equals(&self) -> f64 {
        let share = match self.problem.shard {
            None => 1.0,
            Some(_) => self.problem.mean_factor() * self.group_pixels(),
        };
        self.output.of(1.0) * share
    }

    /// Map pixels of this launch that are averaged.
    fn group_pixels(&self) -> f64 {
        (self.problem.planes_per_group() * self.problem.map_pixels()) as f64
    }

    /// The single pass, once where a kernel makes all gradients, else once for each; the value comes with the first.
    fn fused(&mut self, kernel: Kernel, grads: [DevicePtr; 2], upstream: DevicePtr, value: Option<DevicePtr>) {
        let of_both = are_both(grads) && kernel == Kernel::ValueAndGrad && !weights_mean(self.problem);
        let (kernel, passes) = if of_both && Cut::makes_both(self.problem, self.device, self.family) {
            (Kernel::ValueAndBothGrads, vec![grads])
        } else {
            (kernel, vec![[grads[0], DevicePtr::NULL], [DevicePtr::NULL, grads[1]]])
        };
        let mut value = value;
        for grads in passes.into_iter().filter(|grads| *grads != [DevicePtr::NULL; 2]) {
            let params = self.with_gradients(grads, upstream);
            match value.take() {
                Some(value) => self.value(kernel, StripParams { map: self.map_of(value), ..params }, value),
                None => drop(self.strips(kernel, params)),
            }
        }
    }

    /// A kernel that leaves partial sums, and their reduction to `value`.
    fn value(&mut self, kernel: Kernel, params: StripParams, value: DevicePtr) {
        let blocks_per_plane = self.strips(kernel, params);
        if self.problem.reduction == Reduction::Map {
            return;
        }
        let per_group = self.problem.planes_per_group() * blocks_per_plane;
        let weighted = weights_mean(self.problem);
        let (kernel, params) = match self.loss {
            None if !weighted => (
                Kernel::Reduce,
                Params::Reduce(ReduceParams {
                    partials: self.partials(),
                    out: value,
                    per_group: per_group as i64,
                    base: self.value_of_equals(),
                    scale: self.problem.mean_factor() * self.output.scale(),
                }),
            ),
            loss => {
                let unscale = Units::new(self.problem).unscale(self.problem);
                let second = self.second_partials(blocks_per_plane);
                // Without a gradient and a loss the kernel has added up the weights itself.
                let adds_weights = weighted && loss.is_none() && kernel == Kernel::Value;
                (
                    Kernel::GeneralReduce,
                    Params::GeneralReduce(GeneralReduceParams {
                        sums: self.partials(),
                        pixel_sums: if loss.is_some() { second } else { DevicePtr::NULL },
                        map_weights: if adds_weights { second } else { DevicePtr::NULL },
                        weight_sums: if weighted && !adds_weights { self.workspace } else { DevicePtr::NULL },
                        out: value,
                        per_group: per_group as i64,
                        weight_parts: weights::parts(self.problem) as i32,
                        divisor: self.problem.shard.and_then(|shard| shard.divisor).unwrap_or(0.0),
                        map_weight: self.group_pixels(),
                        map_total: 1.0 / self.problem.mean_factor(),
                        pixel_total: 1.0 / self.problem.pixel_factor(),
                        pixel_unit: match loss {
                            Some(Loss { pixel: PixelLoss::L2, .. }) => unscale * unscale,
                            _ => unscale,
                        },
                        base: self.output.of(1.0),
                        scale: self.output.scale(),
                        lambda: loss.map_or(1.0, |loss| loss.lambda),
                    }),
                )
            }
        };
        self.launches.push(Launch {
            kernel,
            grid: self.problem.values() as u32,
            block: kernel.threads(),
            shared_bytes: kernel.shared_bytes(),
            params,
        });
    }

    /// Where the sums of the map begin: behind those of a mask.
    fn partials(&self) -> DevicePtr {
        DevicePtr(self.workspace.0 + sum_bytes(self.problem) as u64)
    }

    /// Where the second sums begin, those of pixel losses or of weights: behind those of the map.
    fn second_partials(&self, blocks_per_plane: usize) -> DevicePtr {
        let bytes = self.problem.shape.planes() * blocks_per_plane * size_of::<f64>();
        DevicePtr(self.partials().0 + bytes as u64)
    }

    /// Launches of a strip kernel over all planes; returns its blocks per plane.
    fn strips(&mut self, kernel: Kernel, params: StripParams) -> usize {
        let (kernel, cut) = Cut::fastest(self.problem, kernel, self.device, self.family);
        let launched = if weights_mean(self.problem) { kernel.masked() } else { kernel };
        let launched = launched.of_pair(pair_of(&params));
        let planes = self.problem.shape.planes();
        let planes_per_launch = (MAX_GRID / cut.blocks()).max(1);
        for first_plane in (0..planes).step_by(planes_per_launch) {
            let count = planes_per_launch.min(planes - first_plane);
            let offset = (first_plane * cut.blocks() * size_of::<f64>()) as u64;
            self.launches.push(Launch {
                kernel: launched,
                grid: (count * cut.blocks()) as u32,
                block: launched.threads(),
                shared_bytes: launched.shared_bytes(),
                params: Params::Strip(StripParams {
                    partials: DevicePtr(params.partials.0 + offset),
                    second_partials: DevicePtr(self.second_partials(cut.blocks()).0 + offset),
                    first_plane: first_plane as i32,
                    strips: Divisor::new(cut.strips),
                    chunks: Divisor::new(cut.chunks),
                    chunk_rows: cut.chunk_rows as i32,
                    ..params
                }),
            });
        }
        cut.blocks()
    }
}

/// How far samples may be from the origin of their column's squares, in data ranges: a square then rounds by less than
/// 1e-9, far below C2.
const ORIGIN_DISTANCE: f64 = 0.125;

/// Pixels beyond this many data ranges are taken for outliers.
const BRIGHT: f64 = 4.0;

/// tails[k] = taps[k + 1] + ... , added up in f64 so that each is right to its last bit.
fn tap_tails(taps: &[f32; WINDOW_TAPS as usize]) -> [f32; WINDOW_TAPS as usize - 1] {
    std::array::from_fn(|k| taps[k + 1..].iter().map(|&tap| f64::from(tap)).sum::<f64>() as f32)
}

/// Both images' properties, in the order in which a launch takes the images.
fn in_order<T>([first, second]: [T; 2], swapped: bool) -> [T; 2] {
    if swapped { [second, first] } else { [first, second] }
}

pub(super) fn image(data: DevicePtr, strides: Strides, dtype: Dtype) -> Image {
    let bytes = |stride: usize| (stride * dtype.size()) as i64;
    Image {
        data,
        stride_n: bytes(strides.n),
        stride_c: bytes(strides.c),
        stride_h: bytes(strides.h),
        stride_w: bytes(strides.w),
        element: match dtype {
            Dtype::F32 => ELEMENT_F32,
            Dtype::F16 => ELEMENT_F16,
            Dtype::Bf16 => ELEMENT_BF16,
            Dtype::U8 => ELEMENT_U8,
            Dtype::F64 => unreachable!("refuse_unsupported lets no F64 through"),
        },
        element_bytes: dtype.size() as i32,
    }
}

#[cfg(test)]
mod tests;
