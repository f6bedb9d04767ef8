//! The filters of windows of the default size, whose taps stay in registers.

use super::simd::Vector;
use super::tile::{BLOCK, TILE, Taps, Tile};
use crate::window::{WINDOW_TAPS, Window};

/// Taps on each side of the centre.
const RADIUS: usize = WINDOW_TAPS / 2;
/// The first of the two input tiles' 32 vectors that the backward filter reads.
const BACKWARD_START: usize = TILE - 2 * RADIUS;
/// What a block's outputs see together: 32 registers can hold it.
const INPUTS: usize = BLOCK + WINDOW_TAPS - 1;
/// The input that the others of a block are taken relative to: at most two from the centre of each of its windows.
const CENTRE: usize = RADIUS + 1;

/// The distinct taps, outermost first, in every lane.
#[derive(Clone, Copy)]
pub(super) struct DefaultTaps<V>([V; RADIUS + 1]);

impl<V: Vector> Taps<V> for DefaultTaps<V> {
    #[inline(always)]
    unsafe fn new(window: &Window) -> Self {
        let taps = window.default_size().expect("the window has the default size");
        // SAFETY: the caller's promise.
        unsafe {
            let mut all = [V::splat(0.0); RADIUS + 1];
            for k in 0..=RADIUS {
                all[k] = V::splat(taps[k]);
            }
            DefaultTaps(all)
        }
    }

    #[inline(always)]
    fn radius(_: &Window) -> usize {
        RADIUS
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
        // SAFETY: the caller's promise.
        unsafe {
            let step = V::splat(step);
            for lane in (0..TILE).step_by(V::LANES) {
                moments_block::<V, SECOND, 0>(means, variances, step, self, lane, mean, variance);
                moments_block::<V, SECOND, 4>(means, variances, step, self, lane, mean, variance);
                moments_block::<V, SECOND, 8>(means, variances, step, self, lane, mean, variance);
                moments_block::<V, SECOND, 12>(means, variances, step, self, lane, mean, variance);
            }
        }
    }

    #[inline(always)]
    unsafe fn filter(&self, tiles: [&Tile; 2], out: &mut Tile) {
        // SAFETY: the caller's promise.
        unsafe {
            for lane in (0..TILE).step_by(V::LANES) {
                store_block(backward_block::<V, 0>(tiles, self, lane), 0, lane, out);
                store_block(backward_block::<V, 4>(tiles, self, lane), 4, lane, out);
                store_block(backward_block::<V, 8>(tiles, self, lane), 8, lane, out);
                store_block(backward_block::<V, 12>(tiles, self, lane), 12, lane, out);
            }
        }
    }

    #[inline(always)]
    unsafe fn start(&self, _: [&Tile; 2], _: &mut Tile) {}

    #[inline(always)]
    unsafe fn rows<const FIRST: usize>(&self, tiles: [&Tile; 2], _: &Tile, lane: usize) -> [V; BLOCK] {
        // SAFETY: the caller's promise.
        unsafe { backward_block::<V, FIRST>(tiles, self, lane) }
    }
}

/// Four neighbouring outputs from the 14 inputs they see, each tap's two inputs added first.
#[inline(always)]
unsafe fn folded<V: Vector>(a: &[V; INPUTS], taps: &DefaultTaps<V>) -> [V; BLOCK] {
    // SAFETY: the caller's promise that the processor has V's instructions.
    unsafe {
        let mut out = [V::splat(0.0); BLOCK];
        for i in 0..BLOCK {
            let mut sum = a[i + RADIUS].mul(taps.0[RADIUS]);
            for k in 0..RADIUS {
                sum = a[i + k].add(a[i + WINDOW_TAPS - 1 - k]).mul_add(taps.0[k], sum);
            }
            out[i] = sum;
        }
        out
    }
}

/// Adds input I of 14 to those of the four outputs that see it. Input by input, the sums and the taps stay in registers
/// where there are 16, and the inputs do not have to.
#[inline(always)]
unsafe fn spread<V: Vector, const I: usize>(input: V, taps: &DefaultTaps<V>, out: &mut [V; BLOCK]) {
    for j in 0..BLOCK {
        if I < j || I - j >= WINDOW_TAPS {
            continue;
        }
        let tap = taps.0[RADIUS - RADIUS.abs_diff(I - j)];
        // SAFETY: the caller's promise that the processor has V's instructions.
        out[j] = unsafe { if I == j { input.mul(tap) } else { input.mul_add(tap, out[j]) } };
    }
}

/// The block for each input of four outputs, as a constant: a loop so long would stay one, its sums in memory.
macro_rules! each_input {
    ($i:ident => $block:block) => {
        each_input!($i => $block 0 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
    ($i:ident => $block:block $($number:literal)*) => {
        $({
            const $i: usize = $number;
            $block
        })*
    };
}
const _: () = assert!(INPUTS == 14);

/// Inputs START to START + 13 of two tiles laid end to end, from lane `lane` on.
#[inline(always)]
unsafe fn load_window<V: Vector, const START: usize>(tiles: [&Tile; 2], lane: usize) -> [V; INPUTS] {
    // SAFETY: the caller's promise, and lane + LANES is at most TILE.
    unsafe {
        let mut a = [V::splat(0.0); INPUTS];
        for i in 0..INPUTS {
            a[i] = load_input(tiles, START + i, lane);
        }
        a
    }
}

/// Input `at` of two tiles laid end to end, from lane `lane` on.
#[inline(always)]
unsafe fn load_input<V: Vector>(tiles: [&Tile; 2], at: usize, lane: usize) -> V {
    // SAFETY: the caller's promise, and lane + LANES is at most TILE.
    unsafe { V::load(tiles[at / TILE].0[at % TILE].as_ptr().add(lane)) }
}

/// Input START + i, with `step` added if it is in the second tile.
#[inline(always)]
unsafe fn stepped<V: Vector, const START: usize>(tiles: [&Tile; 2], i: usize, step: V, lane: usize) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let input: V = load_input(tiles, START + i, lane);
        if START + i < TILE { input } else { input.add(step) }
    }
}

#[allow(clippy::too_many_arguments, reason = "two results of two inputs each")]
#[inline(always)]
unsafe fn moments_block<V: Vector, const SECOND: bool, const START: usize>(
    means: [&Tile; 2],
    variances: [&Tile; 2],
    step: V,
    taps: &DefaultTaps<V>,
    lane: usize,
    mean: &mut Tile,
    variance: &mut Tile,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (centre, offsets, squares);
        if V::FOLD {
            let mut inputs = load_window::<V, START>(means, lane);
            for i in TILE.saturating_sub(START)..INPUTS {
                inputs[i] = inputs[i].add(step);
            }
            centre = inputs[CENTRE];
            for input in &mut inputs {
                *input = input.sub(centre);
            }
            offsets = folded(&inputs, taps);
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
            squares = folded(&inputs, taps);
        } else {
            centre = stepped::<V, START>(means, CENTRE, step, lane);
            let (mut of_offsets, mut of_squares) = ([V::splat(0.0); BLOCK], [V::splat(0.0); BLOCK]);
            each_input!(I => {
                let offset = stepped::<V, START>(means, I, step, lane).sub(centre);
                spread::<V, I>(offset, taps, &mut of_offsets);
                let square = if SECOND {
                    offset.mul_add(offset, load_input(variances, START + I, lane))
                } else {
                    offset.mul(offset)
                };
                spread::<V, I>(square, taps, &mut of_squares);
            });
            (offsets, squares) = (of_offsets, of_squares);
        }
        for i in 0..BLOCK {
            centre.add(offsets[i]).store(mean.0[START + i].as_mut_ptr().add(lane));
            offsets[i].neg_mul_add(offsets[i], squares[i]).store(variance.0[START + i].as_mut_ptr().add(lane));
        }
    }
}

/// Outputs FIRST to FIRST + 3 of [`Taps::filter`], lanes `lane` and up.
#[inline(always)]
unsafe fn backward_block<V: Vector, const FIRST: usize>(
    tiles: [&Tile; 2],
    taps: &DefaultTaps<V>,
    lane: usize,
) -> [V; BLOCK] {
    // SAFETY: the caller's promise.
    unsafe {
        if V::FOLD {
            let mut inputs = [V::splat(0.0); INPUTS];
            for i in 0..INPUTS {
                inputs[i] = load_input(tiles, BACKWARD_START + FIRST + i, lane);
            }
            return folded(&inputs, taps);
        }
        let mut out = [V::splat(0.0); BLOCK];
        each_input!(I => { spread::<V, I>(load_input(tiles, BACKWARD_START + FIRST + I, lane), taps, &mut out) });
        out
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
