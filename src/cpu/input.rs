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
/// The processor has V's instructions; the plane is inside the shape of both images; `buffers` hold TILE floats for each
/// of `inputs`.
#[inline(always)]
pub(super) unsafe fn load<V: Vector>(
    images: &Images<'_>,
    window: Window,
    inputs: &mut [Input],
    buffers: &mut [Vec<f32>; 2],
) {
    let Shape { c, h, w, .. } = images.shape;
    let (n, c) = (window.plane / c, window.plane % c);
    let columns = inputs.len() * TILE;
    // Columns inside the image, counted from first_column; none if the strip lies outside.
    let first = window.first_column.min(0).unsigned_abs().min(columns);
    let last = (w as isize - window.first_column).clamp(first as isize, columns as isize) as usize;
    for (g, input) in inputs.iter_mut().enumerate() {
        // SAFETY: the plane is inside the shape.
        input.shift[window.slot] = unsafe { shift(images, n, c, &window, g) };
    }
    for r in 0..window.rows {
        let row = window.first_row + r as isize;
        if row < 0 || row >= h as isize || first == last {
            for input in inputs.iter_mut() {
                input.u[window.slot].0[r] = [-input.shift[window.slot].u; TILE];
                input.v[window.slot].0[r] = [-input.shift[window.slot].v; TILE];
            }
            continue;
        }
        let column = (window.first_column + first as isize) as usize;
        // SAFETY: row and column are inside the image, and so are the `last - first` columns from there on.
        let (x, y) = unsafe {
            let x = contiguous(&images.img1, [n, c, row as usize, column], last - first, &mut buffers[0]);
            (x, contiguous(&images.img2, [n, c, row as usize, column], last - first, &mut buffers[1]))
        };
        for (g, input) in inputs.iter_mut().enumerate() {
            let (u, v) = (&mut input.u[window.slot].0[r], &mut input.v[window.slot].0[r]);
            let (scale, shift) = (images.inv_range, input.shift[window.slot]);
            let from = g * TILE;
            // SAFETY: the columns read are between `first` and `last`, of which x and y are the first.
            unsafe {
                if from >= first && from + TILE <= last {
                    sum_and_difference::<V>(x.add(from - first), y.add(from - first), scale, shift, u, v);
                } else {
                    let (mut edge_x, mut edge_y) = ([0.0; TILE], [0.0; TILE]);
                    for i in first.saturating_sub(from)..last.saturating_sub(from).min(TILE) {
                        edge_x[i] = *x.add(from + i - first);
                        edge_y[i] = *y.add(from + i - first);
                    }
                    sum_and_difference::<V>(edge_x.as_ptr(), edge_y.as_ptr(), scale, shift, u, v);
                }
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

/// The pixels of a row from [n, c, row, column] on, side by side in memory: the row itself, or a copy.
#[inline(always)]
unsafe fn contiguous(image: &Source<'_>, at: [usize; 4], count: usize, buffer: &mut [f32]) -> *const f32 {
    let [n, c, row, column] = at;
    // SAFETY: the caller's promise that the indices are inside the image.
    unsafe {
        let (pointer, stride) = image.at(n, c, row, column);
        if stride == 1 {
            pointer
        } else {
            image.read_row(n, c, row, column, 1.0, &mut buffer[..count]);
            buffer.as_ptr()
        }
    }
}

#[inline(always)]
unsafe fn sum_and_difference<V: Vector>(
    x: *const f32,
    y: *const f32,
    scale: f32,
    shift: Shift,
    u: &mut [f32; TILE],
    v: &mut [f32; TILE],
) {
    // SAFETY: x and y are valid for TILE floats, the caller's promise.
    unsafe {
        let (scale, shift_u, shift_v) = (V::splat(scale), V::splat(shift.u), V::splat(shift.v));
        for lane in (0..TILE).step_by(V::LANES) {
            let (x, y) = (V::load(x.add(lane)).mul(scale), V::load(y.add(lane)).mul(scale));
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
