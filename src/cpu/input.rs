//! Reads rows of both images, of any dtype, into tiles of u = x + y and v = x - y, in the units of the march
//! ([`crate::units`]), zero outside the image, and relative to a pixel of the tile.

use super::convert;
use super::pixel::Shift;
use super::scratch::Input;
use super::simd::Vector;
use super::tile::{TILE, Tile};
use super::weights;
use crate::layout::{Dtype, Source};
use crate::mask::Mask;
use crate::problem::Shape;

/// Both images and where to read them.
pub(super) struct Images<'a> {
    pub(super) img1: Source<'a>,
    pub(super) img2: Source<'a>,
    pub(super) shape: Shape,
    /// What the pixels of img1 and img2 are multiplied by.
    pub(super) factors: [f32; 2],
    /// Multiplied onto both images.
    pub(super) mask: Option<Mask<'a>>,
}

impl Images<'_> {
    /// Whether a product with one of the factors rounds: they are no powers of two.
    fn products_round(&self) -> bool {
        const FRACTION: u32 = (1 << (f32::MANTISSA_DIGITS - 1)) - 1;
        self.factors.iter().any(|factor| factor.to_bits() & FRACTION != 0)
    }

    /// Exchanges img1 and img2.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.img1, &mut self.img2);
        self.factors.swap(0, 1);
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
    /// Of the filter window.
    pub(super) radius: usize,
    /// The slot of the ring that is filled.
    pub(super) slot: usize,
}

/// Fills one slot of each of `inputs`. EXACT: with what rounding loses of x - y and of the products in it.
///
/// # Safety
/// The processor has V's instructions; the plane is inside the shape of both images.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const EXACT: bool>(images: &Images<'_>, window: Window, inputs: &mut [Input]) {
    let f32s = images.img1.dtype() == Dtype::F32 && images.img2.dtype() == Dtype::F32;
    // SAFETY: the caller's promise.
    unsafe {
        // What the innermost loop would ask for each vector is decided here.
        match [images.img1.column_bytes(), images.img2.column_bytes()] {
            _ if images.mask.is_some() || EXACT && images.products_round() => {
                load_rows::<V, EXACT, true, false, ANY>(images, window, inputs)
            }
            [4, 4] if f32s => load_rows::<V, EXACT, false, true, 1>(images, window, inputs),
            _ if f32s => load_rows::<V, EXACT, false, true, ANY>(images, window, inputs),
            _ => load_rows::<V, EXACT, false, false, ANY>(images, window, inputs),
        }
    }
}

/// Not a stride: that of the image.
const ANY: usize = 0;

/// A row of an image from one pixel on.
#[derive(Clone, Copy)]
struct Row {
    address: *const u8,
    stride: usize,
    dtype: Dtype,
}

impl Row {
    #[inline(always)]
    fn new<const STRIDE: usize>((address, stride): (*const u8, usize), dtype: Dtype) -> Self {
        Row { address, stride: if STRIDE == ANY { stride } else { STRIDE }, dtype }
    }

    /// # Safety
    /// There is a pixel `at` columns further.
    #[inline(always)]
    unsafe fn from(self, at: usize) -> Self {
        // SAFETY: the caller's promise.
        Row { address: unsafe { self.address.add(at * self.stride * self.dtype.size()) }, ..self }
    }
}

/// SPECIAL: products with the factors may round, and there may be a mask. F32: both images are of f32. STRIDE: of the columns
/// of both.
#[inline(always)]
unsafe fn load_rows<V: Vector, const EXACT: bool, const SPECIAL: bool, const F32: bool, const STRIDE: usize>(
    images: &Images<'_>,
    window: Window,
    inputs: &mut [Input],
) {
    let Shape { c, h, w, .. } = images.shape;
    let (n, c) = (window.plane / c, window.plane % c);
    let dtypes = if F32 { [Dtype::F32; 2] } else { [images.img1.dtype(), images.img2.dtype()] };
    for (g, input) in inputs.iter_mut().enumerate() {
        // SAFETY: the plane is inside the shape.
        input.shift[window.slot] = unsafe { shift(images, n, c, &window, g) };
    }
    // Columns inside the image, counted from first_column, and the tiles that lie inside as a whole.
    let columns = inputs.len() * TILE;
    let first = window.first_column.min(0).unsigned_abs().min(columns);
    let last = (w as isize - window.first_column).clamp(first as isize, columns as isize) as usize;
    let whole = first.div_ceil(TILE)..(last / TILE).max(first.div_ceil(TILE));
    // Row by row, not tile by tile: processors follow a few long streams better than many short ones.
    for r in 0..window.rows {
        let row = window.first_row + r as isize;
        let inside = row >= 0 && row < h as isize && first < last;
        let whole = if inside { whole.clone() } else { 0..0 };
        // SAFETY: the row is inside the image, and the column is its first there; x and y are only moved to other columns
        // between `first` and `last`.
        unsafe {
            let row = if inside { row as usize } else { 0 };
            let column = if inside { (window.first_column + first as isize) as usize } else { 0 };
            let x = Row::new::<STRIDE>(images.img1.at(n, c, row, column), dtypes[0]);
            let y = Row::new::<STRIDE>(images.img2.at(n, c, row, column), dtypes[1]);
            let mut weights = [1.0; TILE];
            for (at, input) in inputs[whole.clone()].iter_mut().enumerate() {
                let at = (whole.start + at) * TILE - first;
                if SPECIAL && let Some(mask) = &images.mask {
                    weights::read_row(mask, [n, c, row, column + at], &mut weights);
                }
                let (x, y) = (x.from(at), y.from(at));
                sum_and_difference::<V, EXACT, SPECIAL>(x, y, &weights, images.factors, input, window.slot, r);
            }
            for g in (0..whole.start).chain(whole.end..inputs.len()) {
                let (mut edge_x, mut edge_y, mut weights) = ([0.0f32; TILE], [0.0f32; TILE], [1.0; TILE]);
                if inside {
                    let columns = first.max(g * TILE)..last.min(g * TILE + TILE);
                    for at in columns.clone() {
                        edge_x[at - g * TILE] = convert::load_one(x.from(at - first).address, x.dtype);
                        edge_y[at - g * TILE] = convert::load_one(y.from(at - first).address, y.dtype);
                    }
                    if SPECIAL
                        && !columns.is_empty()
                        && let Some(mask) = &images.mask
                    {
                        let at = [n, c, row, column + columns.start - first];
                        weights::read_row(mask, at, &mut weights[columns.start - g * TILE..columns.end - g * TILE]);
                    }
                }
                let [x, y] = [&edge_x, &edge_y].map(|edge| Row::new::<1>((edge.as_ptr().cast(), 1), Dtype::F32));
                let input = &mut inputs[g];
                sum_and_difference::<V, EXACT, SPECIAL>(x, y, &weights, images.factors, input, window.slot, r);
            }
        }
    }
}

/// The pixel in the centre of the map tile, or the nearest to it inside the image.
#[inline(always)]
unsafe fn shift(images: &Images<'_>, n: usize, c: usize, window: &Window, tile: usize) -> Shift {
    let centre = (window.radius + TILE / 2) as isize;
    let nearest = |index: isize, size: usize| index.clamp(0, size as isize - 1) as usize;
    let row = nearest(window.first_row + centre, images.shape.h);
    let column = nearest(window.first_column + (tile * TILE) as isize + centre, images.shape.w);
    // SAFETY: row and column are inside the image, and the plane is by the caller's promise.
    unsafe {
        let x = convert::load_one(images.img1.at(n, c, row, column).0, images.img1.dtype());
        let y = convert::load_one(images.img2.at(n, c, row, column).0, images.img2.dtype());
        // A masked pixel is 0, or NaN, which does as well.
        let weight = images.mask.as_ref().map_or(1.0, |mask| weights::one(mask, [n, c, row, column]));
        Shift::new(x * images.factors[0] * weight, y * images.factors[1] * weight)
    }
}

/// Fills a tile with differences of pixels, in the units of the march and without the mask, zero outside the image.
///
/// # Safety
/// The processor has V's instructions; the plane is inside the shape of both images.
#[inline(always)]
pub(super) unsafe fn differences<V: Vector>(
    images: &Images<'_>,
    plane: (usize, usize),
    first: (isize, isize),
    tile: &mut Tile,
) {
    let f32s = images.img1.dtype() == Dtype::F32 && images.img2.dtype() == Dtype::F32;
    // SAFETY: the caller's promise.
    unsafe {
        match [images.img1.column_bytes(), images.img2.column_bytes()] {
            _ if images.products_round() => tile_differences::<V, true, false, ANY>(images, plane, first, tile),
            [4, 4] if f32s => tile_differences::<V, false, true, 1>(images, plane, first, tile),
            _ if f32s => tile_differences::<V, false, true, ANY>(images, plane, first, tile),
            _ => tile_differences::<V, false, false, ANY>(images, plane, first, tile),
        }
    }
}

#[inline(always)]
unsafe fn tile_differences<V: Vector, const ROUNDS: bool, const F32: bool, const STRIDE: usize>(
    images: &Images<'_>,
    (n, c): (usize, usize),
    (top, left): (isize, isize),
    tile: &mut Tile,
) {
    let Shape { h, w, .. } = images.shape;
    let dtypes = if F32 { [Dtype::F32; 2] } else { [images.img1.dtype(), images.img2.dtype()] };
    let within = |first: isize, size: usize| {
        let start = first.min(0).unsigned_abs().min(TILE);
        start..(size as isize - first).clamp(start as isize, TILE as isize) as usize
    };
    let (rows, columns) = (within(top, h), within(left, w));
    if rows.len() < TILE || columns.len() < TILE {
        *tile = Tile::ZERO;
    }
    for r in rows {
        let row = (top + r as isize) as usize;
        // SAFETY: `row` is a row of the image, and `columns` are columns of it, counted from `left`.
        unsafe {
            if columns.len() == TILE {
                let x = Row::new::<STRIDE>(images.img1.at(n, c, row, left as usize), dtypes[0]);
                let y = Row::new::<STRIDE>(images.img2.at(n, c, row, left as usize), dtypes[1]);
                let [factor_x, factor_y] = images.factors.map(|factor| V::splat(factor));
                for lane in (0..TILE).step_by(V::LANES) {
                    let (from_x, from_y) = (x.from(lane), y.from(lane));
                    let pixel_x = convert::load::<V>(from_x.address, from_x.dtype, from_x.stride);
                    let pixel_y = convert::load::<V>(from_y.address, from_y.dtype, from_y.stride);
                    let (x, y) = (pixel_x.mul(factor_x), pixel_y.mul(factor_y));
                    let mut difference = x.sub(y);
                    if ROUNDS {
                        let lost_of_x = pixel_x.product_loss(factor_x, x);
                        difference = difference.add(lost_of_x.sub(pixel_y.product_loss(factor_y, y)));
                    }
                    difference.store(tile.0[r].as_mut_ptr().add(lane));
                }
                continue;
            }
            for column in columns.clone() {
                let at = (left + column as isize) as usize;
                let x = f64::from(convert::load_one(images.img1.at(n, c, row, at).0, dtypes[0]));
                let y = f64::from(convert::load_one(images.img2.at(n, c, row, at).0, dtypes[1]));
                let [factor_x, factor_y] = images.factors.map(f64::from);
                tile.0[r][column] = (x * factor_x - y * factor_y) as f32;
            }
        }
    }
}

/// x and y: TILE pixels or more, of row r of a tile. SPECIAL: they are multiplied by `weights`, and zero where those are.
#[inline(always)]
unsafe fn sum_and_difference<V: Vector, const EXACT: bool, const SPECIAL: bool>(
    x: Row,
    y: Row,
    weights: &[f32; TILE],
    factors: [f32; 2],
    input: &mut Input,
    slot: usize,
    r: usize,
) {
    let shift = input.shift[slot];
    let (u, v) = (&mut input.u[slot].0[r], &mut input.v[slot].0[r]);
    // SAFETY: x and y are valid for TILE pixels, the caller's promise.
    unsafe {
        let (factor_x, factor_y) = (V::splat(factors[0]), V::splat(factors[1]));
        let (shift_u, shift_v) = (V::splat(shift.u), V::splat(shift.v));
        for lane in (0..TILE).step_by(V::LANES) {
            let (from_x, from_y) = (x.from(lane), y.from(lane));
            let mut pixel_x = convert::load::<V>(from_x.address, from_x.dtype, from_x.stride);
            let mut pixel_y = convert::load::<V>(from_y.address, from_y.dtype, from_y.stride);
            let weight = V::load(weights.as_ptr().add(lane));
            if SPECIAL {
                (pixel_x, pixel_y) = (pixel_x.where_nonzero(weight), pixel_y.where_nonzero(weight));
            }
            let (x, y) = (pixel_x.mul(factor_x), pixel_y.mul(factor_y));
            // The sum and the difference are weighted, not the pixels: their products would round.
            let (sum, difference) = (x.add(y), x.sub(y));
            let (relative_u, mut relative_v) = if SPECIAL {
                (sum.mul_add(weight, V::splat(-shift.u)), difference.mul_add(weight, V::splat(-shift.v)))
            } else {
                (sum.sub(shift_u), difference.sub(shift_v))
            };
            relative_u.store(u.as_mut_ptr().add(lane));
            if EXACT {
                // Knuth's two-sum: `lost` is what rounding x - y loses, which matters to the gradient where the images
                // differ by a constant and by little else.
                let minus_y = difference.sub(x);
                let mut lost = x.sub(difference.sub(minus_y)).sub(y.add(minus_y));
                if SPECIAL {
                    let lost_of_x = pixel_x.product_loss(factor_x, x);
                    lost = lost.add(lost_of_x.sub(pixel_y.product_loss(factor_y, y)));
                    relative_v = lost.mul_add(weight, relative_v);
                } else {
                    relative_v = relative_v.add(lost);
                }
            }
            relative_v.store(v.as_mut_ptr().add(lane));
        }
    }
}
