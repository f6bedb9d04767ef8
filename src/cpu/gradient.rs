//! The backward half of the march: partial planes to gradient.

use super::march::{At, Job, Lanes, Upstream, origin};
use super::pixel::Shift;
use super::pixel_loss;
use super::place::write_clipped;
use super::scratch::{Filtered, Input, PLANES, Tiles};
use super::simd::Vector;
use super::tile::{RADIUS, TILE, Tile, backward_block, filter};

/// Takes the planes m1, m2 of the part of a tile that the backward filter will read relative to another pixel.
#[inline(always)]
pub(super) unsafe fn rebase<V: Vector, const M: usize>(
    planes: &mut [[Tile; 2]; PLANES],
    slot: usize,
    from: Shift,
    to: Shift,
) {
    if from == to {
        return;
    }
    let [pu, pv, means @ ..] = planes;
    // SAFETY: the caller's promise that the processor has V's instructions; lane + LANES is at most TILE.
    unsafe {
        let (by_u, by_v) = (V::splat(to.relative_to(from).u), V::splat(to.relative_to(from).v));
        for i in TILE - 2 * RADIUS..TILE {
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
pub(super) unsafe fn horizontal_filter<V: Vector, const M: usize>(
    lanes: &Lanes<V>,
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
            filter(pair, &lanes.taps, spare);
            V::transpose(spare, &mut filtered.planes[plane][current]);
        }
    }
}

/// The vertical filter of a tile, and the gradient that it completes. Returns `pixel_sum` with the tile's pixel loss.
#[inline(always)]
pub(super) unsafe fn gradient<V: Vector, const M: usize>(
    job: &Job<'_>,
    lanes: &Lanes<V>,
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
    // SAFETY: the caller's promise that the processor has V's instructions.
    unsafe {
        for lane in (0..TILE).step_by(V::LANES) {
            let combine = Combine { lanes, factors, input, filtered, current, lane };
            combine.block::<M, 0>(&mut tiles.gradients);
            combine.block::<M, 4>(&mut tiles.gradients);
            combine.block::<M, 8>(&mut tiles.gradients);
            combine.block::<M, 12>(&mut tiles.gradients);
        }
        if let Some(term) = &job.pixel {
            pixel_sum = pixel_loss::add::<V, M>(job, term, at, tiles, pixel_sum);
        }
        let (top, left) = (origin(problem.map.top, at.band), origin(problem.map.left, at.column));
        for m in 0..M {
            write_clipped::<V>(&sinks[m], problem, at.plane, top, left, &tiles.gradients[m]);
        }
    }
    pixel_sum
}

struct Combine<'a, V> {
    lanes: &'a Lanes<V>,
    factors: [f32; 2],
    input: &'a Input,
    filtered: &'a Filtered,
    current: usize,
    lane: usize,
}

impl<V: Vector> Combine<'_, V> {
    /// The tile of the band before and that of this one.
    #[inline(always)]
    fn pair(&self, plane: usize) -> [&Tile; 2] {
        let tiles = &self.filtered.planes[plane];
        [&tiles[1 - self.current], &tiles[self.current]]
    }

    /// Rows FIRST to FIRST + 3: the factor of each gradient * [G*m + u G*pu +- v G*pv], u and v relative to the shift.
    #[inline(always)]
    unsafe fn block<const M: usize, const FIRST: usize>(&self, out: &mut [Tile; 2]) {
        let Combine { current, lane, .. } = *self;
        // SAFETY: the processor has V's instructions; lane + LANES is at most TILE.
        unsafe {
            let pu = backward_block::<V, FIRST>(self.pair(0), &self.lanes.taps, lane);
            let pv = backward_block::<V, FIRST>(self.pair(1), &self.lanes.taps, lane);
            for m in 0..M {
                let mean = backward_block::<V, FIRST>(self.pair(2 + m), &self.lanes.taps, lane);
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
