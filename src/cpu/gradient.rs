//! The backward half of the march: partial planes to gradient.

use super::march::{At, Job, Lanes, Upstream, origin};
use super::pixel::Shift;
use super::pixel_loss;
use super::place::write_clipped;
use super::rung::Outlined;
use super::scratch::{Filtered, Input, PLANES, Tiles};
use super::simd::Vector;
use super::tile::{BLOCK, TILE, Taps, Tile};
use super::weights;
use crate::problem::{Region, Shape};

/// Takes the planes m1, m2 of the part of a tile that the backward filter will read relative to another pixel.
#[inline(always)]
pub(super) unsafe fn rebase<V: Vector, const M: usize>(
    planes: &mut [[Tile; 2]; PLANES],
    slot: usize,
    from: Shift,
    to: Shift,
    radius: usize,
) {
    if from == to {
        return;
    }
    let [pu, pv, means @ ..] = planes;
    // SAFETY: the caller's promise that the processor has V's instructions; lane + LANES is at most TILE.
    unsafe {
        let (by_u, by_v) = (V::splat(to.relative_to(from).u), V::splat(to.relative_to(from).v));
        for i in TILE - 2 * radius..TILE {
            for lane in (0..TILE).step_by(V::LANES) {
                let pu = V::load(pu[slot].0[i].as_ptr().add(lane)).mul(by_u);
                let pv = V::load(pv[slot].0[i].as_ptr().add(lane));
                for (m, mean) in means.iter_mut().enumerate().take(M) {
                    let mean = mean[slot].0[i].as_mut_ptr().add(lane);
                    let value = V::load(mean).add(pu);
                    if m == 0 { pv.mul_add(by_v, value) } else { pv.neg_mul_add(by_v, value) }.store(mean);
                }
            }
        }
    }
}

#[inline(always)]
pub(super) unsafe fn horizontal_filter<V: Vector, T: Taps<V>, const M: usize>(
    lanes: &Lanes<V, T>,
    slot: usize,
    current: usize,
    tiles: &mut Tiles,
    filtered: &mut Filtered,
) {
    let Tiles { partials, spare: [spare, _], .. } = tiles;
    for plane in 0..2 + M {
        let pair = [&partials[plane][1 - slot], &partials[plane][slot]];
        // SAFETY: the caller's promise that the processor has V's instructions.
        unsafe {
            lanes.taps.filter(pair, spare);
            V::transpose(spare, &mut filtered.planes[plane][current]);
        }
    }
}

/// The vertical filter of a tile, and the gradient that it completes. Returns `pixel_sum` with the tile's pixel loss.
#[inline(always)]
pub(super) unsafe fn gradient<V: Outlined, T: Taps<V>, const M: usize>(
    job: &Job<'_>,
    lanes: &Lanes<V, T>,
    at: &At,
    input: &Input,
    filtered: &Filtered,
    tiles: &mut Tiles,
    mut pixel_sum: V::Sum,
) -> V::Sum {
    let problem = job.problem;
    let Some(sinks) = &job.gradients else { return pixel_sum };
    let group = at.plane / problem.planes_per_group();
    let upstream = match job.upstream {
        Upstream::Groups(groups) => f64::from(groups[group]),
        // A map is multiplied onto the partial planes instead.
        Upstream::None | Upstream::Map(_) => 1.0,
    };
    let factor = upstream * job.mean_factor(group);
    let factors = job.gradient_factors.map(|of_pixel| (factor * of_pixel) as f32);
    let current = at.band % 2;
    let radius = T::radius(&problem.window);
    let (top, left) = (origin(problem.map.top, at.band, radius), origin(problem.map.left, at.column, radius));
    // SAFETY: the caller's promise that the processor has V's instructions.
    unsafe {
        let Tiles { moments, gradients, .. } = &mut *tiles;
        for (tiles, moments) in filtered.planes.iter().zip(&mut *moments).take(2 + M) {
            lanes.taps.start([&tiles[1 - current], &tiles[current]], moments);
        }
        for lane in (0..TILE).step_by(V::LANES) {
            let combine = Combine { lanes, factors, input, filtered, started: moments, current, lane };
            combine.block::<M, 0>(gradients);
            combine.block::<M, 4>(gradients);
            combine.block::<M, 8>(gradients);
            combine.block::<M, 12>(gradients);
        }
        if let Some(term) = &job.pixel {
            pixel_sum = pixel_loss::add::<V, M>(job, term, at, radius, tiles, pixel_sum);
        }
        if let Some(mask) = &job.images.mask {
            let Shape { c, h: height, w: width, .. } = problem.shape;
            let (plane, image) = ((at.plane / c, at.plane % c), Region { top: 0, left: 0, height, width });
            weights::read(mask, plane, (top, left), image, &mut tiles.weights[1]);
            for gradient in &mut tiles.gradients[..M] {
                weights::apply::<V>(gradient, &tiles.weights[1]);
            }
        }
        for m in 0..M {
            write_clipped::<V>(&sinks[m], problem, at.plane, top, left, &tiles.gradients[m]);
        }
    }
    pixel_sum
}

struct Combine<'a, V, T> {
    lanes: &'a Lanes<V, T>,
    factors: [f32; 2],
    input: &'a Input,
    filtered: &'a Filtered,
    started: &'a [Tile; PLANES],
    current: usize,
    lane: usize,
}

impl<V: Vector, T: Taps<V>> Combine<'_, V, T> {
    /// Rows FIRST to FIRST + 3 of a plane, filtered over the tile of the band before and that of this one.
    #[inline(always)]
    unsafe fn rows<const FIRST: usize>(&self, plane: usize) -> [V; BLOCK] {
        let tiles = &self.filtered.planes[plane];
        let pair = [&tiles[1 - self.current], &tiles[self.current]];
        // SAFETY: the processor has V's instructions; lane + LANES is at most TILE.
        unsafe { self.lanes.taps.rows::<FIRST>(pair, &self.started[plane], self.lane) }
    }

    /// Rows FIRST to FIRST + 3: the factor of each gradient * [G*m + u G*pu +- v G*pv], u and v relative to the shift.
    #[inline(always)]
    unsafe fn block<const M: usize, const FIRST: usize>(&self, out: &mut [Tile; 2]) {
        let Combine { current, lane, .. } = *self;
        // SAFETY: the processor has V's instructions; lane + LANES is at most TILE.
        unsafe {
            let (pu, pv) = (self.rows::<FIRST>(0), self.rows::<FIRST>(1));
            for m in 0..M {
                let mean = self.rows::<FIRST>(2 + m);
                for i in 0..mean.len() {
                    let row = FIRST + i;
                    let u = V::load(self.input.u[current].0[row].as_ptr().add(lane));
                    let v = V::load(self.input.v[current].0[row].as_ptr().add(lane));
                    let with_u = u.mul_add(pu[i], mean[i]);
                    let all = if m == 0 { v.mul_add(pv[i], with_u) } else { v.neg_mul_add(pv[i], with_u) };
                    all.mul(V::splat(self.factors[m])).store(out[m].0[row].as_mut_ptr().add(lane));
                }
            }
        }
    }
}
