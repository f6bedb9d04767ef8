//! The filters of windows whose size is known when the program runs: loops over taps in memory.

use super::simd::Vector;
use super::tile::{BLOCK, MAX_RADIUS, TILE, Taps, Tile};
use crate::window::Window;

/// Up to 2 MAX_RADIUS + 1 taps.
#[derive(Clone, Copy)]
pub(super) struct AnyTaps {
    taps: [f32; 2 * MAX_RADIUS + 1],
    radius: usize,
}

impl<V: Vector> Taps<V> for AnyTaps {
    #[inline(always)]
    unsafe fn new(window: &Window) -> Self {
        let mut taps = [0.0; 2 * MAX_RADIUS + 1];
        for (rounded, &tap) in taps.iter_mut().zip(window.taps()) {
            *rounded = tap as f32;
        }
        AnyTaps { taps, radius: window.radius().min(MAX_RADIUS) }
    }

    #[inline(always)]
    fn radius(window: &Window) -> usize {
        window.radius().min(MAX_RADIUS)
    }

    #[inline(always)]
    unsafe fn moments<const SECOND: bool>(
        &self,
        means: [&Tile; 2],
        variances: [&Tile; 2],
        step: f32,
        mean: &mut Tile,
        variance: &mut Tile,
    ) {
        // One after the other, so that a loop over taps is a loop over rows.
        let mut means = [*means[0], *means[1]];
        let variances = if SECOND { [*variances[0], *variances[1]] } else { means };
        // SAFETY: the caller's promise; lane + LANES is at most TILE, and a window ends at vector 2 TILE - 1 or before.
        unsafe {
            let step = V::splat(step);
            for vector in &mut means[1].0[..2 * self.radius] {
                for lane in (0..TILE).step_by(V::LANES) {
                    V::load(vector.as_ptr().add(lane)).add(step).store(vector.as_mut_ptr().add(lane));
                }
            }
            let (from, within) = (means.as_ptr().cast::<f32>(), variances.as_ptr().cast::<f32>());
            for lane in (0..TILE).step_by(V::LANES) {
                for start in (0..TILE).step_by(BLOCK) {
                    let mut centres = [V::splat(0.0); BLOCK];
                    for i in 0..BLOCK {
                        centres[i] = V::load(from.add((start + i + self.radius) * TILE + lane));
                    }
                    let (mut offsets, mut squares) = ([V::splat(0.0); BLOCK], [V::splat(0.0); BLOCK]);
                    for (k, &tap) in self.taps[..2 * self.radius + 1].iter().enumerate() {
                        let (tap, first) = (V::splat(tap), (start + k) * TILE + lane);
                        for i in 0..BLOCK {
                            // The offset's sign is that of centre - input, which takes one instruction.
                            let offset = centres[i].sub(V::load(from.add(first + i * TILE)));
                            let weighted = offset.mul(tap);
                            offsets[i] = offsets[i].add(weighted);
                            squares[i] = offset.mul_add(weighted, squares[i]);
                            if SECOND {
                                squares[i] = V::load(within.add(first + i * TILE)).mul_add(tap, squares[i]);
                            }
                        }
                    }
                    for i in 0..BLOCK {
                        let (mean, variance) = (&mut mean.0[start + i], &mut variance.0[start + i]);
                        centres[i].sub(offsets[i]).store(mean.as_mut_ptr().add(lane));
                        offsets[i].neg_mul_add(offsets[i], squares[i]).store(variance.as_mut_ptr().add(lane));
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn filter(&self, tiles: [&Tile; 2], out: &mut Tile) {
        let tiles = [*tiles[0], *tiles[1]];
        // SAFETY: the caller's promise; lane + LANES is at most TILE, and the last window ends with vector 2 TILE - 1.
        unsafe {
            let from = tiles.as_ptr().cast::<f32>().add((TILE - 2 * self.radius) * TILE);
            for lane in (0..TILE).step_by(V::LANES) {
                for start in (0..TILE).step_by(BLOCK) {
                    let mut sums = [V::splat(0.0); BLOCK];
                    for (k, &tap) in self.taps[..2 * self.radius + 1].iter().enumerate() {
                        let (tap, first) = (V::splat(tap), (start + k) * TILE + lane);
                        for i in 0..BLOCK {
                            sums[i] = V::load(from.add(first + i * TILE)).mul_add(tap, sums[i]);
                        }
                    }
                    for i in 0..BLOCK {
                        sums[i].store(out.0[start + i].as_mut_ptr().add(lane));
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn start(&self, tiles: [&Tile; 2], out: &mut Tile) {
        // SAFETY: the caller's promise.
        unsafe { Taps::<V>::filter(self, tiles, out) }
    }

    #[inline(always)]
    unsafe fn rows<const FIRST: usize>(&self, _: [&Tile; 2], filtered: &Tile, lane: usize) -> [V; BLOCK] {
        // SAFETY: the caller's promise; lane + LANES is at most TILE.
        unsafe {
            let mut rows = [V::splat(0.0); BLOCK];
            for i in 0..BLOCK {
                rows[i] = V::load(filtered.0[FIRST + i].as_ptr().add(lane));
            }
            rows
        }
    }
}
