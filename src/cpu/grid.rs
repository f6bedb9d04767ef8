//! How a problem is cut into units of work.
//!
//! A grid of tiles starts at the first pixel of the map. Map tile (i, j) holds rows 16 i and columns 16 j of the map; the
//! image pixels that it needs first, and the gradient that it completes, are the window's radius in rows and columns before
//! it. A unit is a rectangle of tiles of one plane. The cut depends on the shape alone, never on the number of threads, so
//! that sums are formed in the same order with any number.

use std::ops::Range;

use super::tile::TILE;
use crate::problem::Problem;

/// Widest strip, in tiles. Its ring buffers fit into a level-2 cache of 512 KiB.
const STRIP: usize = 32;
/// Shortest chunk of rows, in tiles: each chunk repeats one row of tiles of the one above it.
const CHUNK: usize = 8;
/// Units below which strips are cut into chunks, for threads to share.
const ENOUGH_UNITS: usize = 32;

/// The tiles of a plane and their division.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    /// Rows of tiles.
    pub(super) bands: usize,
    /// Columns of tiles.
    pub(super) columns: usize,
    chunk: usize,
    strip: usize,
    planes: usize,
    channels: usize,
}

/// One unit: `bands` x `columns` tiles of a plane.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unit {
    pub(super) plane: usize,
    pub(super) bands: Range<usize>,
    pub(super) columns: Range<usize>,
}

impl Grid {
    /// Tiles that cover the map.
    pub(super) fn of_map(problem: &Problem) -> Self {
        Grid::new(problem, problem.map.height, problem.map.width)
    }

    /// Tiles whose gradient covers the image.
    pub(super) fn of_gradient(problem: &Problem) -> Self {
        let (shape, map, radius) = (problem.shape, problem.map, problem.window.radius());
        Grid::new(problem, shape.h + radius - map.top, shape.w + radius - map.left)
    }

    fn new(problem: &Problem, rows: usize, columns: usize) -> Self {
        let planes = problem.shape.planes();
        let (bands, columns) = (rows.div_ceil(TILE), columns.div_ceil(TILE));
        let strips = columns.div_ceil(STRIP);
        let chunks = ENOUGH_UNITS.div_ceil(planes * strips).min(bands / CHUNK).max(1);
        Grid {
            bands,
            columns,
            chunk: bands.div_ceil(chunks),
            strip: columns.div_ceil(strips),
            planes,
            channels: problem.shape.c,
        }
    }

    fn chunks(&self) -> usize {
        self.bands.div_ceil(self.chunk)
    }

    fn strips(&self) -> usize {
        self.columns.div_ceil(self.strip)
    }

    /// Columns of tiles in the widest strip.
    pub(super) fn strip(&self) -> usize {
        self.strip
    }

    /// Units of one plane; those of a plane are consecutive.
    pub(super) fn units_per_plane(&self) -> usize {
        self.chunks() * self.strips()
    }

    /// Units of all planes.
    pub(super) fn units(&self) -> usize {
        self.planes * self.units_per_plane()
    }

    /// The unit to work on as number `turn`: the channels of an image in turn, so that where they are interleaved each line
    /// of memory is used by all while it is near.
    pub(super) fn in_turn(&self, turn: usize) -> usize {
        let (image, turn) =
            (turn / (self.units_per_plane() * self.channels), turn % (self.units_per_plane() * self.channels));
        let (part, channel) = (turn / self.channels, turn % self.channels);
        (image * self.channels + channel) * self.units_per_plane() + part
    }

    /// The unit number `index`.
    pub(super) fn unit(&self, index: usize) -> Unit {
        let (plane, index) = (index / self.units_per_plane(), index % self.units_per_plane());
        let (chunk, strip) = (index / self.strips(), index % self.strips());
        let range = |at: usize, size: usize, end: usize| at * size..end.min((at + 1) * size);
        Unit { plane, bands: range(chunk, self.chunk, self.bands), columns: range(strip, self.strip, self.columns) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Padding};
    use crate::problem::Shape;

    #[test]
    fn units_cover_every_tile_once() {
        for (n, c, h, w) in [(1, 1, 1, 1), (1, 3, 1080, 1920), (2, 2, 513, 530), (1, 1, 4000, 17), (70_000, 1, 4, 4)] {
            for padding in [Padding::Same, Padding::Valid] {
                let options = Options { padding, ..Options::default() };
                let shape = Shape::new(n, c, h, w).expect("a shape");
                let Ok(problem) = Problem::new(shape, &options) else { continue };
                for grid in [Grid::of_map(&problem), Grid::of_gradient(&problem)] {
                    let mut tiles = vec![0u8; grid.planes.min(3) * grid.bands * grid.columns];
                    for turn in 0..grid.units() {
                        let unit = grid.unit(grid.in_turn(turn));
                        assert!(!unit.bands.is_empty() && !unit.columns.is_empty(), "{unit:?}");
                        assert!(unit.columns.len() <= STRIP);
                        for band in unit.bands.clone().filter(|_| unit.plane < 3) {
                            for column in unit.columns.clone() {
                                tiles[(unit.plane * grid.bands + band) * grid.columns + column] += 1;
                            }
                        }
                    }
                    assert!(tiles.iter().all(|&count| count == 1), "{n} {c} {h} {w} {padding:?}");
                    assert_eq!(grid.units(), shape.planes() * grid.units_per_plane());
                }
            }
        }
    }

    #[test]
    fn a_frame_gives_work_to_several_threads() {
        let problem = Problem::new(Shape::new(1, 3, 1080, 1920).expect("a shape"), &Options::default()).expect("valid");
        assert!(Grid::of_gradient(&problem).units() >= ENOUGH_UNITS);
    }
}
