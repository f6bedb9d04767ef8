//! Asks for memory before it is needed. A tile touches 16 rows of each plane; that is more streams than processors
//! follow by themselves.

use super::simd::Vector;
use super::tile::TILE;
use crate::layout::Source;
use crate::problem::Shape;

/// Rows of a tile that cover at most this many bytes are worth asking for: with larger ones, each element is a line of its
/// own.
const MOST_BYTES: usize = 4 * LINE;
/// Bytes of a line of memory.
const LINE: usize = 64;

/// Asks for the part of a tile at `row`, `column` of a plane that lies inside the image; WRITE: it will be written.
///
/// # Safety
/// The processor has V's instructions; the plane is inside the shape, and the shape is that of `image`.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, const WRITE: bool>(
    image: &Source<'_>,
    shape: Shape,
    plane: usize,
    row: isize,
    column: isize,
) {
    let last_column = column + TILE as isize - 1;
    let (first, last) = (row.max(0), (row + TILE as isize).min(shape.h as isize));
    if first >= last || last_column < 0 || column >= shape.w as isize {
        return;
    }
    let column = (last_column as usize).min(shape.w - 1);
    // SAFETY: row and column are inside the image.
    let (mut address, _) = unsafe { image.at(plane / shape.c, plane % shape.c, first as usize, column) };
    let row_bytes = TILE * image.column_bytes();
    if row_bytes > MOST_BYTES {
        return;
    }
    for _ in first..last {
        for line in 0..row_bytes.div_ceil(LINE) {
            // SAFETY: a prefetch of any address is harmless.
            unsafe { V::prefetch::<WRITE>(address.wrapping_sub(line * LINE)) };
        }
        address = address.wrapping_add(image.row_bytes());
    }
}
