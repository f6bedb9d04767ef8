//! The weights that a mask gives to pixels: their sums over groups of planes, and tiles of them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::scratch::filled;
use super::simd::Vector;
use super::threads;
use super::tile::{TILE, Tile};
use crate::layout::Dtype;
use crate::mask::Mask;
use crate::options::{Output, Reduction};
use crate::problem::{Problem, Region};
use crate::status::Result;

/// Rows whose weights are added together.
const ROWS: usize = 64;
/// Weights that are worth a thread of their own.
const WEIGHTS_PER_THREAD: usize = 1 << 18;

/// The weights of a group of planes that is reduced to one value. Without a mask each pixel has the weight 1.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Sum of the weights of the map's own pixels.
    map_weight: f64,
    /// What the sum of the weighted map is divided by.
    map_total: f64,
    /// What the sum of the weighted pixel losses is divided by.
    pixel_total: f64,
}

impl Group {
    /// A group of a problem without a mask.
    pub(super) fn plain(problem: &Problem) -> Self {
        Group {
            map_weight: (problem.planes_per_group() * problem.map_pixels()) as f64,
            map_total: 1.0 / problem.mean_factor(),
            pixel_total: 1.0 / problem.pixel_factor(),
        }
    }

    /// The value of a group whose weighted SSIM has this sum. Where nothing is compared, nothing differs.
    pub(super) fn value(&self, output: Output, sum: f64) -> f64 {
        if self.map_total == 0.0 {
            return output.of(1.0);
        }
        (output.scale() * sum + output.offset() * self.map_weight) / self.map_total
    }

    pub(super) fn pixel_loss(&self, sum: f64) -> f64 {
        if self.pixel_total == 0.0 { 0.0 } else { sum / self.pixel_total }
    }

    /// `numerator` over what the map's sum is divided by, for derivatives: 0 where there is no weight.
    pub(super) fn map_factor(&self, numerator: f64) -> f64 {
        factor(numerator, self.map_total)
    }

    /// As `map_factor`, for the pixel losses.
    pub(super) fn pixel_factor(&self, numerator: f64) -> f64 {
        factor(numerator, self.pixel_total)
    }
}

fn factor(numerator: f64, total: f64) -> f64 {
    if total == 0.0 { 0.0 } else { numerator / total }
}

/// The weights of each group of planes; for a map, of each plane.
pub(super) fn groups(problem: &Problem, mask: Option<Mask<'_>>) -> Result<Vec<Group>> {
    let per_group = problem.planes_per_group();
    let mut groups = filled(Group::plain(problem), problem.shape.planes() / per_group)?;
    let Some(mask) = mask.filter(|mask| mask.mode().weights_mean()) else { return Ok(groups) };
    let sums = Sums::of(problem, &mask)?;
    let divisor = problem.shard.and_then(|shard| shard.divisor);
    for (index, group) in groups.iter_mut().enumerate() {
        let (mut map, mut pixels) = (0.0, 0.0);
        for plane in index * per_group..(index + 1) * per_group {
            let (of_map, of_pixels) = sums.of_plane(plane / problem.shape.c, plane % problem.shape.c);
            map += of_map;
            pixels += of_pixels;
        }
        *group = Group {
            map_weight: map,
            map_total: if problem.reduction == Reduction::Map { 1.0 } else { divisor.unwrap_or(map) },
            pixel_total: divisor.unwrap_or(pixels),
        };
    }
    Ok(groups)
}

/// The weight of one pixel.
///
/// # Safety
/// The indices `at` = [n, c, h, w] are inside the shape of the mask.
#[cold]
#[inline(never)]
pub(super) unsafe fn one(mask: &Mask<'_>, at: [usize; 4]) -> f32 {
    let mut weight = [0.0];
    // SAFETY: the caller's promise.
    unsafe { mask.read_floats(at, &mut weight) };
    weight[0]
}

/// Some weights of a row from `at` = [n, c, h, w] on.
///
/// # Safety
/// The indices are inside the shape of the mask, the last column read included.
// Not once more for each set of instructions: that would be much code, compiled for long.
#[inline(never)]
pub(super) unsafe fn read_row(mask: &Mask<'_>, at: [usize; 4], into: &mut [f32]) {
    // SAFETY: the caller's promise.
    unsafe { mask.read_floats(at, into) };
}

/// Fills a tile whose first pixel is `first` with weights, zero outside of `within`.
///
/// # Safety
/// The plane and `within` are inside the shape of the mask.
#[inline(never)]
pub(super) unsafe fn read(
    mask: &Mask<'_>,
    (n, c): (usize, usize),
    (top, left): (isize, isize),
    within: Region,
    tile: &mut Tile,
) {
    let clip = |first: isize, start: usize, end: usize| {
        let inside = |index: usize| (index as isize - first).clamp(0, TILE as isize) as usize;
        inside(start)..inside(end)
    };
    let rows = clip(top, within.top, within.bottom());
    let columns = clip(left, within.left, within.right());
    if rows.len() < TILE || columns.len() < TILE {
        *tile = Tile::ZERO;
    }
    if columns.is_empty() {
        return;
    }
    let source = mask.as_source();
    if source.dtype() == Dtype::F32 && source.column_bytes() == size_of::<f32>() && columns.len() == TILE {
        for r in rows {
            // SAFETY: the TILE columns from `left` on lie in `within`, and so does the row.
            unsafe {
                let (from, _) = source.at(n, c, (top + r as isize) as usize, left as usize);
                tile.0[r] = from.cast::<[f32; TILE]>().read_unaligned();
            }
        }
        return;
    }
    for r in rows {
        let at = [n, c, (top + r as isize) as usize, (left + columns.start as isize) as usize];
        // SAFETY: rows and columns lie in `within`.
        unsafe {
            // A whole row has a length that the compiler knows.
            if columns.len() == TILE {
                mask.read_floats(at, &mut tile.0[r]);
            } else {
                mask.read_floats(at, &mut tile.0[r][columns.clone()]);
            }
        }
    }
}

/// Multiplied by the weights, and zero, whatever was there, where those are.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub(super) unsafe fn apply<V: Vector>(tile: &mut Tile, weights: &Tile) {
    // SAFETY: the caller's promise.
    unsafe {
        multiply::<V>(tile, weights);
        clear::<V>(tile, weights);
    }
}

/// Zero, whatever was there, where the weight is.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub(super) unsafe fn clear<V: Vector>(tile: &mut Tile, weights: &Tile) {
    for (values, weights) in tile.0.iter_mut().zip(&weights.0) {
        for lane in (0..TILE).step_by(V::LANES) {
            // SAFETY: the caller's promise; lane + LANES is at most TILE.
            unsafe {
                let value = V::load(values.as_ptr().add(lane)).where_nonzero(V::load(weights.as_ptr().add(lane)));
                value.store(values.as_mut_ptr().add(lane));
            }
        }
    }
}

/// The product of two tiles, element by element.
///
/// # Safety
/// The processor has V's instructions.
#[inline(always)]
pub(super) unsafe fn multiply<V: Vector>(tile: &mut Tile, factors: &Tile) {
    for (values, factors) in tile.0.iter_mut().zip(&factors.0) {
        for lane in (0..TILE).step_by(V::LANES) {
            // SAFETY: the caller's promise; lane + LANES is at most TILE.
            unsafe {
                let product = V::load(values.as_ptr().add(lane)).mul(V::load(factors.as_ptr().add(lane)));
                product.store(values.as_mut_ptr().add(lane));
            }
        }
    }
}

/// Sums over blocks of rows of each plane, as the bits of f64s: of the map's own pixels, and of all owned pixels.
struct Sums {
    blocks: Vec<[AtomicU64; 2]>,
    blocks_per_plane: usize,
    /// Channels that have weights of their own.
    channels: usize,
}

impl Sums {
    fn of(problem: &Problem, mask: &Mask<'_>) -> Result<Self> {
        let (first_row, rows) = problem.owned_rows;
        let channels = if mask.shared_by_channels() { 1 } else { problem.shape.c };
        let blocks_per_plane = rows.div_ceil(ROWS);
        let count = problem.shape.n * channels * blocks_per_plane;
        let blocks: Vec<_> = filled([0u64; 2], count)?.into_iter().map(|sums| sums.map(AtomicU64::new)).collect();
        let sums = Sums { blocks, blocks_per_plane, channels };
        let weights = problem.shape.n * channels * rows * problem.shape.w;
        let threads = threads::num_threads().min(weights.div_ceil(WEIGHTS_PER_THREAD));
        threads::share(
            count,
            threads,
            || Ok(()),
            |(), index| {
                let (plane, block) = (index / blocks_per_plane, index % blocks_per_plane);
                let (mut map, mut pixels) = (0.0, 0.0);
                for row in first_row + block * ROWS..first_row + rows.min((block + 1) * ROWS) {
                    // SAFETY: the row is inside the shape, and so are the columns of the map.
                    let sum = |from: usize, to: usize| unsafe {
                        mask.sum_row([plane / channels, plane % channels, row, from], to - from)
                    };
                    let inside = sum(problem.map.left, problem.map.right());
                    pixels += sum(0, problem.map.left) + inside + sum(problem.map.right(), problem.shape.w);
                    if (problem.map.top..problem.map.bottom()).contains(&row) {
                        map += inside;
                    }
                }
                for (to, sum) in sums.blocks[index].iter().zip([map, pixels]) {
                    to.store(sum.to_bits(), Ordering::Relaxed);
                }
            },
        )?;
        Ok(sums)
    }

    fn of_plane(&self, image: usize, channel: usize) -> (f64, f64) {
        let plane = image * self.channels + channel.min(self.channels - 1);
        let blocks = &self.blocks[plane * self.blocks_per_plane..][..self.blocks_per_plane];
        let total = |i: usize| blocks.iter().map(|sums| f64::from_bits(sums[i].load(Ordering::Relaxed))).sum();
        (total(0), total(1))
    }
}
