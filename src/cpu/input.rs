//! Reads rows of both images into tiles of u = x + y and v = x - y, scaled by 1/range, zero outside the image, and
//! relative to a pixel of the tile.

use super::pixel::Shift;
use super::scratch::Input;
use super::simd::Vector;
use super::tile::{RADIUS, TILE};
use crate::layout::Source;
use crate::problem::Shape;

/// Both images and where to read them.
pub(super) struct Images<'a> {
    pub(super) img1: Source<'a>,
    pub(super) img2: Source<'a>,
    pub(super) shape: Shape,
    pub(super) inv_range: f32,
}

impl Images<'_> {
    /// Exchanges img1 and img2.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.img1, &mut self.img2);
    }
}

/// Which rows and columns: `rows` rows from `first_row`, and as many columns as there are tiles, from `first_column`.
/// They may lie outside the image.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) plane: usize,
    pub(super) first_row: isize,
    pub(super) rows: usize,
    pub(super) first_column: isize,
    /// The slot of the ring that is filled.
    pub(super) slot: usize,
}

/// Fills one slot of each of `inputs`.
///
/// # Safety
/// The processor has V's instructions; the plane is inside the shape of both images.
#[inline(always)]
pub(super) unsafe fn load<V: Vector>(images: &Images<'_>, window: Window, inputs: &mut [Input]) {
    let Shape { c, h, w, .. } = images.shape;
    let (n, c) = (window.plane / c, window.plane % c);
    for (g, input) in inputs.iter_mut().enumerate() {
        // SAFETY: the plane is inside the shape.
        input.shift[window.slot] = unsafe { shift(images, n, c, &window, g) };
    }
    // Columns inside the image, counted from first_column, and the tiles that lie inside as a whole.
    let columns = inputs.len() * TILE;
    let first = window.first_column.min(0).unsigned_abs().min(columns);
    let last = (w as isize - window.first_column).clamp(first as isize, columns as isize) as usize;
    let whole = first.div_ceil(TILE)..last / TILE;
    // Row by row, not tile by tile: processors follow a few long streams better than many short ones.
    for r in 0..window.rows {
        let row = window.first_row + r as isize;
        let inside = row >= 0 && row < h as isize && first < last;
        // SAFETY: the row is inside the image, and the column is its first there; x and y are only moved to other columns
        // between `first` and `last`.
        unsafe {
            let row = if inside { row as usize } else { 0 };
            let column = if inside { (window.first_column + first as isize) as usize } else { 0 };
            let (x, y) = (images.img1.at(n, c, row, column), images.img2.at(n, c, row, column));
            for (g, input) in inputs.iter_mut().enumerate() {
                let shift = input.shift[window.slot];
                let (u, v) = (&mut input.u[window.slot].0[r], &mut input.v[window.slot].0[r]);
                if inside && whole.contains(&g) {
                    let at = g * TILE - first;
                    let (x, y) = ((x.0.add(at * x.1), x.1), (y.0.add(at * y.1), y.1));
                    sum_and_difference::<V>(x, y, images.inv_range, shift, u, v);
                    continue;
                }
                let (mut edge_x, mut edge_y) = ([0.0; TILE], [0.0; TILE]);
                if inside {
                    for at in first.max(g * TILE)..last.min(g * TILE + TILE) {
                        edge_x[at - g * TILE] = *x.0.add((at - first) * x.1);
                        edge_y[at - g * TILE] = *y.0.add((at - first) * y.1);
                    }
                }
                let (x, y) = ((edge_x.as_ptr(), 1), (edge_y.as_ptr(), 1));
                sum_and_difference::<V>(x, y, images.inv_range, shift, u, v);
            }
        }
    }
}

/// The pixel in the centre of the map tile, or the nearest to it inside the image.
#[inline(always)]
unsafe fn shift(images: &Images<'_>, n: usize, c: usize, window: &Window, tile: usize) -> Shift {
    const CENTRE: isize = (RADIUS + TILE / 2) as isize;
    let nearest = |index: isize, size: usize| index.clamp(0, size as isize - 1) as usize;
    let row = nearest(window.first_row + CENTRE, images.shape.h);
    let column = nearest(window.first_column + (tile * TILE) as isize + CENTRE, images.shape.w);
    // SAFETY: row and column are inside the image, and the plane is by the caller's promise.
    unsafe {
        let (x, y) = (*images.img1.at(n, c, row, column).0, *images.img2.at(n, c, row, column).0);
        Shift::new(x * images.inv_range, y * images.inv_range)
    }
}

/// x and y: the first pixel, and the stride to the next.
#[inline(always)]
unsafe fn sum_and_difference<V: Vector>(
    x: (*const f32, usize),
    y: (*const f32, usize),
    scale: f32,
    shift: Shift,
    u: &mut [f32; TILE],
    v: &mut [f32; TILE],
) {
    // SAFETY: x and y are valid for TILE pixels, the caller's promise.
    unsafe {
        let (scale, shift_u, shift_v) = (V::splat(scale), V::splat(shift.u), V::splat(shift.v));
        for lane in (0..TILE).step_by(V::LANES) {
            let x = V::load_strided(x.0.add(lane * x.1), x.1).mul(scale);
            let y = V::load_strided(y.0.add(lane * y.1), y.1).mul(scale);
            x.add(y).sub(shift_u).store(u.as_mut_ptr().add(lane));
            // Knuth's two-sum: `lost` is what rounding x - y loses, which matters where the images differ by a constant
            // and by little else.
            let difference = x.sub(y);
            let minus_y = difference.sub(x);
            let lost = x.sub(difference.sub(minus_y)).sub(y.add(minus_y));
            difference.sub(shift_v).add(lost).store(v.as_mut_ptr().add(lane));
        }
    }
}
