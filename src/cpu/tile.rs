//! Tiles of 16 x 16 floats and the filters over them.
//!
//! A filter always runs across the 16 vectors of a tile, never along a vector: vertically over a tile whose vectors are
//! rows, horizontally over a transposed one, whose vectors are columns. So no filter needs unaligned loads or shuffles,
//! and two transpositions per plane are the whole price of the second direction.

use super::simd::Vector;
use crate::window::WINDOW_TAPS;

/// Rows and columns of a tile; a multiple of every vector's lanes.
pub(super) const TILE: usize = 16;
/// Taps on each side of the centre.
pub(super) const RADIUS: usize = WINDOW_TAPS / 2;
/// The first of the two input tiles' 32 vectors that the backward filter reads: its outputs sit RADIUS vectors before
/// the second tile, so that they never wait for a tile that is not there yet.
const BACKWARD_START: usize = TILE - 2 * RADIUS;
/// Outputs computed together; they share the loads of BLOCK + 10 inputs, which 32 registers can hold.
const BLOCK: usize = 4;
const INPUTS: usize = BLOCK + WINDOW_TAPS - 1;

/// 16 vectors of 16 floats.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Tile(pub(super) [[f32; TILE]; TILE]);

impl Tile {
    pub(super) const ZERO: Tile = Tile([[0.0; TILE]; TILE]);
}

/// The distinct taps, outermost first, in every lane.
#[derive(Clone, Copy)]
pub(super) struct Taps<V>([V; RADIUS + 1]);

impl<V: Vector> Taps<V> {
    /// # Safety
    /// The processor has V's instructions.
    #[inline(always)]
    pub(super) unsafe fn new(taps: &[f32; WINDOW_TAPS]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let mut all = [V::splat(0.0); RADIUS + 1];
            for k in 0..=RADIUS {
                all[k] = V::splat(taps[k]);
            }
            Taps(all)
        }
    }
}

/// Four neighbouring outputs from the 14 inputs they see.
#[inline(always)]
unsafe fn filter_block<V: Vector>(a: &[V; INPUTS], taps: &Taps<V>) -> [V; BLOCK] {
    // SAFETY: the caller's promise that the processor has V's instructions.
    unsafe {
        let mut out = [V::splat(0.0); BLOCK];
        if V::FOLD {
            for i in 0..BLOCK {
                let mut sum = a[i + RADIUS].mul(taps.0[RADIUS]);
                for k in 0..RADIUS {
                    sum = a[i + k].add(a[i + WINDOW_TAPS - 1 - k]).mul_add(taps.0[k], sum);
                }
                out[i] = sum;
            }
        } else {
            // Tap by tap: each is loaded once, and the sums of a block do not wait for each other.
            for k in 0..WINDOW_TAPS {
                let tap = taps.0[RADIUS - RADIUS.abs_diff(k)];
                for i in 0..BLOCK {
                    out[i] = if k == 0 { a[i].mul(tap) } else { a[i + k].mul_add(tap, out[i]) };
                }
            }
        }
        out
    }
}

/// Inputs START to START + 13 of two tiles laid end to end, from lane `lane` on.
#[inline(always)]
unsafe fn load_window<V: Vector, const START: usize>(tiles: [&Tile; 2], lane: usize) -> [V; INPUTS] {
    // SAFETY: the caller's promise, and lane + LANES is at most TILE.
    unsafe {
        let mut a = [V::splat(0.0); INPUTS];
        for i in 0..INPUTS {
            let at = START + i;
            a[i] = V::load(tiles[at / TILE].0[at % TILE].as_ptr().add(lane));
        }
        a
    }
}

/// Mean and variance under the taps, of 16 windows across the vectors of two tiles: output i sees inputs i to i + 10.
///
/// Both are taken relative to a pixel near the centre of the window: mean = c + G*(x - c) and
/// variance = G*(x - c)^2 - (G*(x - c))^2. That pixel has a weight of at least 0.1 (sigma 1.5), so the two terms are at most
/// ten times the variance, and what cancels is lost relative to the variance instead of relative to the squared mean. With
/// plain moments a bright flat part of a photograph would lose four digits of the gradient.
///
/// In the second direction the inputs are means and variances of the first: the variance of the whole window is the mean
/// of the variances plus the variance of the means.
///
/// `step` is added to the second tile's means, which may be relative to another constant than the first's.
///
/// # Safety
/// The processor has V's instructions.
#[allow(clippy::too_many_arguments, reason = "two results of two inputs each")]
#[inline(always)]
pub(super) unsafe fn moments<V: Vector, const SECOND: bool>(
    means: [&Tile; 2],
    variances: [&Tile; 2],
    step: f32,
    taps: &Taps<V>,
    mean: &mut Tile,
    variance: &mut Tile,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let step = V::splat(step);
        for lane in (0..TILE).step_by(V::LANES) {
            moments_block::<V, SECOND, 0>(means, variances, step, taps, lane, mean, variance);
            moments_block::<V, SECOND, 4>(means, variances, step, taps, lane, mean, variance);
            moments_block::<V, SECOND, 8>(means, variances, step, taps, lane, mean, variance);
            moments_block::<V, SECOND, 12>(means, variances, step, taps, lane, mean, variance);
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "two results of two inputs each")]
#[inline(always)]
unsafe fn moments_block<V: Vector, const SECOND: bool, const START: usize>(
    means: [&Tile; 2],
    variances: [&Tile; 2],
    step: V,
    taps: &Taps<V>,
    lane: usize,
    mean: &mut Tile,
    variance: &mut Tile,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut inputs = load_window::<V, START>(means, lane);
        for i in TILE.saturating_sub(START)..INPUTS {
            inputs[i] = inputs[i].add(step);
        }
        // At most two pixels from the centre of each of the four windows.
        let centre = inputs[RADIUS + 1];
        for input in &mut inputs {
            *input = input.sub(centre);
        }
        let offsets = filter_block(&inputs, taps);
        if SECOND {
            let within = load_window::<V, START>(variances, lane);
            for i in 0..INPUTS {
                inputs[i] = inputs[i].mul_add(inputs[i], within[i]);
            }
        } else {
            for input in &mut inputs {
                *input = input.mul(*input);
            }
        }
        let squares = filter_block(&inputs, taps);
        for i in 0..BLOCK {
            centre.add(offsets[i]).store(mean.0[START + i].as_mut_ptr().add(lane));
            offsets[i].neg_mul_add(offsets[i], squares[i]).store(variance.0[START + i].as_mut_ptr().add(lane));
        }
    }
}

/// The plain filter of 16 windows across two tiles: output i sees inputs i + 6 to i + 16.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub(super) unsafe fn filter<V: Vector>(tiles: [&Tile; 2], taps: &Taps<V>, out: &mut Tile) {
    // SAFETY: the caller's promise.
    unsafe {
        for lane in (0..TILE).step_by(V::LANES) {
            store_block(backward_block::<V, 0>(tiles, taps, lane), 0, lane, out);
            store_block(backward_block::<V, 4>(tiles, taps, lane), 4, lane, out);
            store_block(backward_block::<V, 8>(tiles, taps, lane), 8, lane, out);
            store_block(backward_block::<V, 12>(tiles, taps, lane), 12, lane, out);
        }
    }
}

/// Outputs FIRST to FIRST + 3 of [`filter`], lanes `lane` and up.
#[inline(always)]
pub(super) unsafe fn backward_block<V: Vector, const FIRST: usize>(
    tiles: [&Tile; 2],
    taps: &Taps<V>,
    lane: usize,
) -> [V; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut a = [V::splat(0.0); INPUTS];
        for i in 0..INPUTS {
            let at = BACKWARD_START + FIRST + i;
            a[i] = V::load(tiles[at / TILE].0[at % TILE].as_ptr().add(lane));
        }
        filter_block(&a, taps)
    }
}

#[inline(always)]
unsafe fn store_block<V: Vector>(block: [V; BLOCK], first: usize, lane: usize, out: &mut Tile) {
    // SAFETY: the caller's promise, and lane + LANES is at most TILE.
    unsafe {
        for i in 0..BLOCK {
            block[i].store(out.0[first + i].as_mut_ptr().add(lane));
        }
    }
}
