//! SSIM and its partial derivatives at a pixel, from the moments of its window.
//!
//! With u = x + y, v = x - y, their means mu_u, mu_v and variances var_u, var_v:
//!
//! ```text
//! A = mu_u^2 + mu_v^2 + 2 c1   B = var_u + var_v + 2 c2
//! C = mu_u^2 - mu_v^2 + 2 c1   D = var_u - var_v + 2 c2      S = (C D) / (A B)
//! ```
//!
//! (each twice the textbook's factor). Nothing cancels where x is close to y, unlike in covariances.
//!
//! The gradient, for g = dL/dS at each map pixel and G the window:
//!
//! ```text
//! K = C A / (A B)^2    E = D B / (A B)^2    pu = K var_v    pv = -K (var_u + 2 c2)
//! m1 = mu_u (E mu_v^2 - pu) - mu_v (E (mu_u^2 + 2 c1) + pv)
//! grad_img1 = 4 [G*(g m1) + u G*(g pu) + v G*(g pv)]
//! ```
//!
//! and for img2 the same with the sign of every v and mu_v exchanged. In the sum, mu_u pu and u pu nearly cancel where
//! the image is flat. So u and mu_u there, and the whole march, are relative to a constant of the tile ([`Shift`]):
//! m1 becomes mu_u E mu_v^2 - mu_v E (mu_u^2 + 2 c1) - (mu_u - shift_u) pu - (mu_v - shift_v) pv.

use super::simd::Vector;
use super::tile::{TILE, Tile};

/// What the sums above leave out, to be multiplied onto the gradient.
pub(super) const GRADIENT_FACTOR: f64 = 4.0;

/// The u and v of a pixel, which a tile's pixels and means are taken relative to.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Shift {
    pub(super) u: f32,
    pub(super) v: f32,
}

impl Shift {
    pub(super) const ZERO: Shift = Shift { u: 0.0, v: 0.0 };

    /// Zero instead of a value that would spoil its whole tile: NaN, infinity, or far outside of the data range.
    pub(super) fn new(x: f32, y: f32) -> Self {
        const LIMIT: f32 = 8.0;
        let usable = |value: f32| if value.abs() <= LIMIT { value } else { 0.0 };
        Shift { u: usable(x + y), v: usable(x - y) }
    }

    /// What to add to a value relative to `self` to have it relative to `other`.
    pub(super) fn relative_to(self, other: Shift) -> Shift {
        Shift { u: self.u - other.u, v: self.v - other.v }
    }
}

/// The constants of the formula in every lane.
#[derive(Clone, Copy)]
pub(super) struct Constants<V> {
    twice_c1: V,
    twice_c2: V,
}

impl<V: Vector> Constants<V> {
    /// # Safety
    /// The processor has V's instructions.
    #[inline(always)]
    pub(super) unsafe fn new([twice_c1, twice_c2]: [f32; 2]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Constants { twice_c1: V::splat(twice_c1), twice_c2: V::splat(twice_c2) } }
    }
}

/// The moments of a tile of windows, transposed; means relative to the tile's shift.
pub(super) struct Moments<'a> {
    pub(super) mean_u: &'a Tile,
    pub(super) var_u: &'a Tile,
    pub(super) mean_v: &'a Tile,
    pub(super) var_v: &'a Tile,
}

/// How much of a tile lies inside the map: the first `rows` rows and the first `columns` columns.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Computes a tile: the map into `map`, and the M + 2 partial planes [pu, pv, m1, m2] into `partials`; M = 0: none.
/// Outside the map both are zero. Adds the map to `sum`. With `weights`, transposed and zero outside the map, the partial
/// planes and the sum are weighted, and the map is not.
///
/// # Safety
/// The processor has V's instructions.
#[allow(clippy::too_many_arguments, reason = "all differ from tile to tile")]
#[inline(always)]
pub(super) unsafe fn ssim_tile<V: Vector, const M: usize>(
    moments: &Moments<'_>,
    constants: &Constants<V>,
    shift: Shift,
    inside: Inside,
    weights: Option<&Tile>,
    map: &mut Tile,
    partials: [&mut Tile; 4],
    sum: V::Sum,
) -> V::Sum {
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(weights) = weights {
            masked_tile::<V, M, WEIGHTED>(moments, constants, shift, inside, weights, map, partials, sum)
        } else if inside.rows == TILE && inside.columns == TILE {
            masked_tile::<V, M, WHOLE>(moments, constants, shift, inside, &Tile::ZERO, map, partials, sum)
        } else {
            masked_tile::<V, M, CLIPPED>(moments, constants, shift, inside, &Tile::ZERO, map, partials, sum)
        }
    }
}

/// Kinds of tiles: inside the map as a whole, in part, and with weights.
const WHOLE: u8 = 0;
const CLIPPED: u8 = 1;
const WEIGHTED: u8 = 2;

#[allow(clippy::too_many_arguments, reason = "all differ from tile to tile")]
#[inline(always)]
unsafe fn masked_tile<V: Vector, const M: usize, const KIND: u8>(
    moments: &Moments<'_>,
    constants: &Constants<V>,
    shift: Shift,
    inside: Inside,
    weights: &Tile,
    map: &mut Tile,
    partials: [&mut Tile; 4],
    mut sum: V::Sum,
) -> V::Sum {
    /// Map values added in f32 before the sum in f64.
    const GROUP: usize = 4;
    let mut rows = [0.0f32; TILE];
    rows[..inside.rows].fill(f32::from_bits(u32::MAX));
    // SAFETY: the caller's promise; every pointer is a column of a tile, lane + LANES is at most TILE.
    unsafe {
        let (shift_u, shift_v) = (V::splat(shift.u), V::splat(shift.v));
        for lane in (0..TILE).step_by(V::LANES) {
            let row_mask = V::load(rows.as_ptr().add(lane));
            for group in (0..TILE).step_by(GROUP) {
                let mut values = [V::splat(0.0); GROUP];
                for i in 0..GROUP {
                    let column = group + i;
                    let load = [moments.mean_u, moments.var_u, moments.mean_v, moments.var_v]
                        .map(|tile| tile.0[column].as_ptr().add(lane));
                    let (near_u, var_u) = (V::load(load[0]), V::load(load[1]));
                    let (near_v, var_v) = (V::load(load[2]), V::load(load[3]));
                    let mask = match KIND {
                        WEIGHTED => V::load(weights.0[column].as_ptr().add(lane)),
                        _ if column < inside.columns => row_mask,
                        _ => V::splat(0.0),
                    };

                    let (mean_u, mean_v) = (near_u.add(shift_u), near_v.add(shift_v));
                    let (uu, vv) = (mean_u.mul(mean_u), mean_v.mul(mean_v));
                    let luminance = uu.add(constants.twice_c1);
                    let contrast = var_u.add(constants.twice_c2);
                    let (a, c) = (luminance.add(vv), luminance.sub(vv));
                    let (b, d) = (contrast.add(var_v), contrast.sub(var_v));
                    let (ab, cd) = (a.mul(b), c.mul(d));
                    let inverse = ab.reciprocal();
                    let mut ssim = cd.quotient(ab, inverse);
                    if KIND == CLIPPED {
                        ssim = ssim.and(mask);
                    }
                    ssim.store(map.0[column].as_mut_ptr().add(lane));
                    if KIND == WEIGHTED {
                        ssim = ssim.mul(mask).where_nonzero(mask);
                    }
                    values[i] = ssim;

                    if M > 0 {
                        let k = c.mul(inverse).mul(a.mul(inverse));
                        let e = d.mul(inverse).mul(b.mul(inverse));
                        let pu = k.mul(var_v);
                        let minus_pv = k.mul(contrast);
                        let from_u = mean_u.mul(e.mul(vv));
                        let from_v = mean_v.mul(e.mul(luminance));
                        let common = near_u.neg_mul_add(pu, from_u);
                        let other = near_v.neg_mul_add(minus_pv, from_v);
                        let planes = [pu, V::splat(0.0).sub(minus_pv), common.sub(other), common.add(other)];
                        for plane in 0..2 + M {
                            let value = match KIND {
                                WHOLE => planes[plane],
                                CLIPPED => planes[plane].and(mask),
                                _ => planes[plane].mul(mask).where_nonzero(mask),
                            };
                            value.store(partials[plane].0[column].as_mut_ptr().add(lane));
                        }
                    }
                }
                sum = values[0].add(values[1]).add(values[2].add(values[3])).add_to_sum(sum);
            }
        }
    }
    sum
}
