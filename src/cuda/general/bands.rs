//! How the general kernels' work is cut into launches, and what of the workspace each uses.

use crate::cuda::DevicePtr;
use crate::cuda::plan::MAX_GRID;
use crate::cuda::weights::{sum_bytes, total_bytes};
use crate::geometry::*;
use crate::problem::Problem;

/// Blocks of a launch that leaves partial planes: enough to fill the largest GPU a few times over, and few enough that the
/// planes stay in its L2 cache, some 25 MB, unless one band of the smallest height is larger.
const BLOCKS_WITH_PLANES: usize = 2048;

/// The smallest band of rows: below this, rows that neighbouring bands compute as well outweigh its own.
const MIN_BAND_ROWS: usize = 64;

pub(super) const ROWS: usize = GENERAL_ROWS as usize;
pub(super) const COLUMNS: usize = GENERAL_COLUMNS as usize;

/// How the planes of a problem are cut into launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bands {
    /// 1 where a plane is cut into several bands.
    pub(super) planes_per_launch: usize,
    /// Owned rows of a band.
    pub(super) rows: usize,
    /// Rows above and below that gradients depend on.
    pub(super) halo: usize,
}

impl Bands {
    pub(super) fn new(problem: &Problem, backward: bool) -> Bands {
        let (limit, halo) = if backward { (BLOCKS_WITH_PLANES, problem.window.radius()) } else { (MAX_GRID, 0) };
        let (owned, columns) = (problem.owned_rows.1, tile_columns(problem));
        let whole = Bands { planes_per_launch: 1, rows: owned, halo };
        let blocks = whole.band(problem, 0).map_rows().div_ceil(ROWS) * columns;
        if blocks <= limit {
            return Bands { planes_per_launch: limit / blocks, ..whole };
        }
        // One row of tiles more than the band, since its halo does not start with one. All bands are of like height.
        let most = (limit / columns * ROWS).saturating_sub(2 * halo + ROWS).max(MIN_BAND_ROWS);
        let rows = owned.div_ceil(owned.div_ceil(most)).next_multiple_of(ROWS);
        Bands { rows, ..whole }
    }

    pub(super) fn count(self, problem: &Problem) -> usize {
        problem.owned_rows.1.div_ceil(self.rows)
    }

    pub(super) fn band(self, problem: &Problem, index: usize) -> Band {
        let (first, rows) = problem.owned_rows;
        let own = first + index * self.rows..(first + (index + 1) * self.rows).min(first + rows);
        let map = own.start.saturating_sub(self.halo)..(own.end + self.halo).min(problem.shape.h);
        Band { own_begin: own.start, own_end: own.end, row_begin: map.start, row_end: map.end }
    }

    /// Blocks of a plane, over all of its bands.
    pub(super) fn blocks_per_plane(self, problem: &Problem) -> usize {
        (0..self.count(problem)).map(|index| self.band(problem, index).map_rows().div_ceil(ROWS)).sum::<usize>()
            * tile_columns(problem)
    }
}

/// Rows of the image that launches work on: those whose sums and gradients are theirs, and those of the map that these
/// depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) own_begin: usize,
    pub(super) own_end: usize,
    pub(super) row_begin: usize,
    pub(super) row_end: usize,
}

impl Band {
    pub(super) fn map_rows(self) -> usize {
        self.row_end - self.row_begin
    }

    pub(super) fn own_rows(self) -> usize {
        self.own_end - self.own_begin
    }
}

pub(super) fn tile_columns(problem: &Problem) -> usize {
    problem.shape.w.div_ceil(COLUMNS)
}

/// The parts of the workspace, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// For each block of each plane, a sum over the map.
    pub(super) sums: DevicePtr,
    /// The same of the pixel losses.
    pub(super) pixel_sums: DevicePtr,
    /// Parts of two sums of weights for each group of planes.
    pub(super) weight_sums: DevicePtr,
    /// Those sums.
    pub(super) totals: DevicePtr,
    /// The partial planes of one launch.
    pub(super) planes: DevicePtr,
    pub(super) end: DevicePtr,
}

impl Memory {
    pub(super) fn new(problem: &Problem, workspace: DevicePtr) -> Memory {
        let bands = Bands::new(problem, true);
        let planes = problem.shape.planes();
        let sums = planes * bands.blocks_per_plane(problem) * size_of::<f64>();
        let floats = GENERAL_PLANES as usize * plane_pixels(problem, bands);
        let mut end = workspace;
        let mut part = |bytes: usize| {
            let start = end;
            end.0 += bytes.next_multiple_of(16) as u64;
            start
        };
        let (sums, pixel_sums) = (part(sums), part(sums));
        let (weight_sums, totals) = (part(sum_bytes(problem)), part(total_bytes(problem)));
        let planes = part(floats * size_of::<f32>());
        Memory { sums, pixel_sums, weight_sums, totals, planes, end }
    }
}

/// Pixels of the partial planes of the largest launch.
fn plane_pixels(problem: &Problem, bands: Bands) -> usize {
    let rows = (bands.rows.min(problem.owned_rows.1) + 2 * bands.halo).min(problem.shape.h);
    bands.planes_per_launch.min(problem.shape.planes()) * rows * problem.shape.w
}
