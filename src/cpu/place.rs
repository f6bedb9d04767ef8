//! Where a tile lies in a map or an image, and the copies between them.

use super::convert;
use super::pixel::Inside;
use super::simd::Vector;
use super::tile::{TILE, Tile};
use crate::layout::{Dtype, Sink, Source};
use crate::problem::Problem;

/// A tile of a plane, in rows and columns of the map or the image, with its part that exists.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) image: usize,
    pub(super) channel: usize,
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) inside: Inside,
}

impl Place {
    pub(super) fn moved_by(self, rows: usize, columns: usize) -> Self {
        Place { row: self.row + rows, column: self.column + columns, ..self }
    }

    /// Reads from a map or plane of f32 whose columns are side by side; zero outside.
    #[inline(always)]
    pub(super) unsafe fn read(&self, from: &Source<'_>, tile: &mut Tile) {
        if self.inside.rows < TILE || self.inside.columns < TILE {
            *tile = Tile::ZERO;
        }
        for (r, row) in tile.0.iter_mut().take(self.inside.rows).enumerate() {
            // SAFETY: the caller's promise that the place is inside the shape of `from`.
            unsafe {
                let pixels = from.at(self.image, self.channel, self.row + r, self.column).0.cast::<f32>();
                // A whole row has a length that the compiler knows.
                if self.inside.columns == TILE {
                    *row = pixels.cast::<[f32; TILE]>().read_unaligned();
                } else {
                    std::ptr::copy_nonoverlapping(pixels, row.as_mut_ptr(), self.inside.columns);
                }
            }
        }
    }

    /// Writes to a map or plane of f32 whose columns are side by side.
    #[inline(always)]
    pub(super) unsafe fn write(&self, to: &Sink<'_>, tile: &Tile) {
        for (r, row) in tile.0.iter().take(self.inside.rows).enumerate() {
            // SAFETY: the caller's promise that the place is inside the shape of `to`, and the unit's own.
            unsafe {
                let pixels = to.at(self.image, self.channel, self.row + r, self.column).0.cast::<f32>();
                // A whole row has a length that the compiler knows.
                if self.inside.columns == TILE {
                    pixels.cast::<[f32; TILE]>().write_unaligned(*row);
                } else {
                    std::ptr::copy_nonoverlapping(row.as_ptr(), pixels, self.inside.columns);
                }
            }
        }
    }
}

/// Writes the part of a tile that lies inside the image.
#[inline(always)]
pub(super) unsafe fn write_clipped<V: Vector>(
    to: &Sink<'_>,
    problem: &Problem,
    plane: usize,
    top: isize,
    left: isize,
    tile: &Tile,
) {
    // SAFETY: the caller's promise.
    unsafe {
        if to.dtype() == Dtype::F32 {
            write_rows::<V, true>(to, problem, plane, top, left, tile);
        } else {
            write_rows::<V, false>(to, problem, plane, top, left, tile);
        }
    }
}

/// F32: the elements are f32.
#[inline(always)]
unsafe fn write_rows<V: Vector, const F32: bool>(
    to: &Sink<'_>,
    problem: &Problem,
    plane: usize,
    top: isize,
    left: isize,
    tile: &Tile,
) {
    let shape = problem.shape;
    let (image, channel) = (plane / shape.c, plane % shape.c);
    let (first, last) = (left.max(0), (left + TILE as isize).min(shape.w as isize));
    if first >= last {
        return;
    }
    let dtype = if F32 { Dtype::F32 } else { to.dtype() };
    let (skipped, count) = ((first - left) as usize, (last - first) as usize);
    for (r, from) in tile.0.iter().enumerate() {
        let row = top + r as isize;
        if row < 0 || row >= shape.h as isize {
            continue;
        }
        // SAFETY: row and columns are inside the image, and this tile belongs to this unit alone.
        unsafe {
            let (pixels, stride) = to.at(image, channel, row as usize, first as usize);
            if F32 && count == TILE {
                for lane in (0..TILE).step_by(V::LANES) {
                    let pixels = pixels.cast::<f32>().add(lane * stride);
                    V::load(from.as_ptr().add(lane)).store_strided(pixels, stride);
                }
            } else if count == TILE {
                convert::store(from, pixels, dtype, stride);
            } else {
                convert::store(&from[skipped..skipped + count], pixels, dtype, stride);
            }
        }
    }
}
