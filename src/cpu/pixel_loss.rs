//! The pixel loss of a tile, beside the march: |x - y| or (x - y)^2 of the pixels whose gradient the tile completes.
//!
//! It reads the pixels again, which are still in cache: what the march keeps of them is relative to another pixel, and the
//! derivative of |x - y| is the sign of even the smallest difference.

use super::march::{At, Job, origin};
use super::rung::Outlined;
use super::scratch::Tiles;
use super::simd::Vector;
use super::tile::{TILE, Tile};
use super::weights;
use crate::loss::{Loss, PixelLoss};
use crate::problem::{Problem, Region, Shape};
use crate::units::Units;

/// What a job computes beside SSIM.
pub(super) struct PixelTerm {
    kind: PixelLoss,
    /// What differences of pixels in the units of the march are multiplied by.
    unscale: f64,
    /// What the derivative by that difference is multiplied by for the first and the second gradient, beside what the
    /// mean of its group divides by.
    factors: [f64; 2],
    /// Whether the gradient has a share of SSIM.
    with_ssim: bool,
}

impl PixelTerm {
    pub(super) fn new(problem: &Problem, terms: Loss) -> Self {
        let [first, second] = problem.scales;
        let unscale = Units::new(problem).unscale(problem);
        let derivative = match terms.pixel {
            PixelLoss::L1 => 1.0,
            PixelLoss::L2 => 2.0 * unscale,
        };
        let factor = (1.0 - terms.lambda) * derivative;
        PixelTerm {
            kind: terms.pixel,
            unscale,
            factors: [factor * first, -factor * second],
            with_ssim: terms.lambda > 0.0,
        }
    }

    /// Exchanges img1 and img2.
    pub(super) fn swap(&mut self) {
        // The difference changes its sign.
        self.factors = [-self.factors[1], -self.factors[0]];
    }

    /// The sum of a group's losses, from that of its tiles.
    pub(super) fn sum(&self, tiles: f64) -> f64 {
        match self.kind {
            PixelLoss::L1 => self.unscale * tiles,
            PixelLoss::L2 => self.unscale * self.unscale * tiles,
        }
    }
}

/// Adds a tile's loss to `sum`, and its derivatives to the M gradients in `tiles`.
///
/// # Safety
/// The processor has V's instructions; the tile is one of the job's grid.
#[inline(always)]
pub(super) unsafe fn add<V: Outlined, const M: usize>(
    job: &Job<'_>,
    term: &PixelTerm,
    at: &At,
    radius: usize,
    tiles: &mut Tiles,
    sum: V::Sum,
) -> V::Sum {
    let (map, Shape { c, h: height, w: width, .. }) = (job.problem.map, job.problem.shape);
    let plane = (at.plane / c, at.plane % c);
    let first = (origin(map.top, at.band, radius), origin(map.left, at.column, radius));
    let image = Region { top: 0, left: 0, height, width };
    let Tiles { gradients, spare: [difference, _], weights: [_, weights], .. } = tiles;
    // SAFETY: the caller's promise.
    unsafe {
        V::differences(&job.images, plane, first, difference);
        if let Some(mask) = &job.images.mask {
            weights::read(mask, plane, first, image, weights);
            weights::apply::<V>(difference, weights);
        }
        let weights = match &job.weights {
            Some((mask, _)) => {
                weights::read(mask, plane, first, image, weights);
                Some(&*weights)
            }
            None => None,
        };
        let mean = job.pixel_factor(at.plane / job.problem.planes_per_group());
        let with_ssim = term.with_ssim;
        let accumulate =
            Accumulate { factors: term.factors.map(|factor| (mean * factor) as f32), with_ssim, difference };
        match (term.kind, weights) {
            (PixelLoss::L1, None) => accumulate.run::<V, M, true, false>(difference, gradients, sum),
            (PixelLoss::L2, None) => accumulate.run::<V, M, false, false>(difference, gradients, sum),
            (PixelLoss::L1, Some(weights)) => accumulate.run::<V, M, true, true>(weights, gradients, sum),
            (PixelLoss::L2, Some(weights)) => accumulate.run::<V, M, false, true>(weights, gradients, sum),
        }
    }
}

struct Accumulate<'a> {
    factors: [f32; 2],
    with_ssim: bool,
    difference: &'a Tile,
}

impl Accumulate<'_> {
    /// L1: |d|, with the derivative sign d; otherwise d^2, with the derivative d, its 2 being in the factors. `weights` only
    /// count if WEIGHTED.
    #[inline(always)]
    unsafe fn run<V: Vector, const M: usize, const L1: bool, const WEIGHTED: bool>(
        &self,
        weights: &Tile,
        gradients: &mut [Tile; 2],
        mut sum: V::Sum,
    ) -> V::Sum {
        /// Losses added in f32 before the sum in f64.
        const GROUP: usize = 4;
        // SAFETY: the caller's promise that the processor has V's instructions; lane + LANES is at most TILE.
        unsafe {
            let magnitude = V::splat(f32::from_bits(i32::MAX as u32));
            for lane in (0..TILE).step_by(V::LANES) {
                for group in (0..TILE).step_by(GROUP) {
                    let mut losses = [V::splat(0.0); GROUP];
                    for i in 0..GROUP {
                        let row = group + i;
                        let d = V::load(self.difference.0[row].as_ptr().add(lane));
                        losses[i] = if L1 { d.and(magnitude) } else { d.mul(d) };
                        let mut derivative = if L1 { d.sign() } else { d };
                        if WEIGHTED {
                            let weight = V::load(weights.0[row].as_ptr().add(lane));
                            losses[i] = losses[i].mul(weight).where_nonzero(weight);
                            derivative = derivative.mul(weight).where_nonzero(weight);
                        }
                        for m in 0..M {
                            let gradient = gradients[m].0[row].as_mut_ptr().add(lane);
                            // A part without weight has no say, whatever it is.
                            let of_ssim = if self.with_ssim { V::load(gradient) } else { V::splat(0.0) };
                            derivative.mul_add(V::splat(self.factors[m]), of_ssim).store(gradient);
                        }
                    }
                    sum = losses[0].add(losses[1]).add(losses[2].add(losses[3])).add_to_sum(sum);
                }
            }
        }
        sum
    }
}
