//! How the planes of a problem are cut into blocks, and by which family of kernels.

use std::ffi::OsStr;
use std::sync::OnceLock;

use super::kernel::Kernel;
use super::plan::DeviceProperties;
use super::weights;
use crate::geometry::*;
use crate::problem::Problem;
use crate::status::{Error, Result};

/// Kernels that do the same in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Whichever is estimated to finish first.
    Fastest,
    /// Blocks that march down strips: the least work.
    Strips,
    /// Blocks that take one tile at once: the least time from start to end. Tiles save no partial derivatives, so the
    /// kernels of fssim_forward with `saved` and of fssim_backward from it stay strips.
    Tiles,
    /// The kernels for every window and mask, also where the others could do the work. They save no partial derivatives
    /// either.
    General,
}

impl Family {
    /// What the environment variable FSSIM_CUDA asks for, so that tests reach every kernel. Read at the first call.
    pub(super) fn current() -> Result<Family> {
        static CURRENT: OnceLock<Result<Family>> = OnceLock::new();
        CURRENT.get_or_init(|| Family::choose(std::env::var_os("FSSIM_CUDA").as_deref())).clone()
    }

    fn choose(name: Option<&OsStr>) -> Result<Family> {
        match name.map(|name| name.to_str()) {
            None => Ok(Family::Fastest),
            Some(Some("strips")) => Ok(Family::Strips),
            Some(Some("tiles")) => Ok(Family::Tiles),
            Some(Some("general")) => Ok(Family::General),
            Some(_) => Err(Error::Option(format!(
                "the environment variable FSSIM_CUDA is {:?}; it may be strips, tiles or general",
                name.unwrap_or_default()
            ))),
        }
    }
}

/// The smallest chunk: below this, halo rows outweigh the rows themselves and a workspace would have no bound.
const MIN_CHUNK_ROWS: usize = 2 * STAGE_ROWS as usize;

/// The largest chunk: halo rows weigh nothing any more, and row numbers stay within 32 bits.
const MAX_CHUNK_ROWS: usize = 1024;

/// What a tile takes of its multiprocessor, and what the first one takes more, in the time in which a wave of strips walks
/// one row. Measured on an H200: 0.45 us a row of value.cu and 0.55 us of value_and_grad.cu, 0.77 us and 2.2 us a tile.
struct TileCost {
    start_rows: f64,
    rows: f64,
}

/// For the value alone, and with the gradient.
const VALUE_TILE: TileCost = TileCost { start_rows: 4.2, rows: 1.75 };
const FUSED_TILE: TileCost = TileCost { start_rows: 4.4, rows: 4.0 };

impl TileCost {
    /// Of all tiles of the problem, in rows of a wave of strips.
    fn all_rows(&self, problem: &Problem, device: &DeviceProperties) -> f64 {
        let tiles = problem.shape.planes() * Cut::tiles(problem).blocks();
        self.start_rows + self.rows * (tiles as f64 / f64::from(device.multiprocessors.max(1)))
    }
}

/// What a row costs strips that make both gradients, in rows of those that make one. Measured on an H200.
const BOTH_ROW: f64 = 1.10;

/// How one plane is cut into blocks of `chunk_rows` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub strips: usize,
    pub chunks: usize,
    pub chunk_rows: usize,
}

impl Cut {
    pub(super) fn blocks(self) -> usize {
        self.strips * self.chunks
    }

    /// The kernel of the family that does what `kernel` does, and the cut for it.
    pub(super) fn fastest(
        problem: &Problem,
        kernel: Kernel,
        device: &DeviceProperties,
        family: Family,
    ) -> (Kernel, Cut) {
        let (strips, strip_rows) = Cut::strips(problem, kernel, device);
        let (tile_kernel, cost) = match kernel {
            Kernel::Value => (Kernel::TileValue, VALUE_TILE),
            Kernel::Loss => (Kernel::TileLoss, VALUE_TILE),
            Kernel::ValueAndGrad => (Kernel::TileValueAndGrad, FUSED_TILE),
            Kernel::LossAndGrad => (Kernel::TileLossAndGrad, FUSED_TILE),
            _ => return (kernel, strips),
        };
        match family {
            Family::Tiles => (tile_kernel, Cut::tiles(problem)),
            Family::Fastest if cost.all_rows(problem, device) < strip_rows as f64 => (tile_kernel, Cut::tiles(problem)),
            _ => (kernel, strips),
        }
    }

    /// Whether the family makes both gradients in one pass of strips: tiles make them one after the other, which is faster
    /// for the smallest images.
    pub(super) fn makes_both(problem: &Problem, device: &DeviceProperties, family: Family) -> bool {
        let (_, strip_rows) = Cut::strips(problem, Kernel::ValueAndBothGrads, device);
        match family {
            Family::Tiles => false,
            Family::Fastest => BOTH_ROW * strip_rows as f64 <= 2.0 * FUSED_TILE.all_rows(problem, device),
            _ => true,
        }
    }

    fn tiles(problem: &Problem) -> Cut {
        let chunk_rows = TILE_ROWS as usize;
        let strips = problem.shape.w.div_ceil(TILE_COLUMNS as usize);
        Cut { strips, chunks: problem.owned_rows.1.div_ceil(chunk_rows), chunk_rows }
    }

    /// The number of chunks that finishes first, by waves of blocks times the rows that a block walks, halo included, and
    /// that product. Few large chunks waste multiprocessors at the end of the last wave, many small ones waste work on their
    /// halos.
    fn strips(problem: &Problem, kernel: Kernel, device: &DeviceProperties) -> (Cut, usize) {
        let halo = WINDOW_TAPS as usize - 1;
        let (columns, halo_rows, resident) = match kernel {
            Kernel::ValueAndGrad | Kernel::LossAndGrad | Kernel::ValueAndBothGrads => {
                (FUSED_STRIP_COLUMNS, 2 * halo, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
            }
            Kernel::Backward => (STRIP_COLUMNS, halo, BACKWARD_BLOCKS_PER_MULTIPROCESSOR),
            Kernel::BackwardBoth => (STRIP_COLUMNS, halo, BOTH_BACKWARD_BLOCKS_PER_MULTIPROCESSOR),
            _ => (STRIP_COLUMNS, halo, STRIP_BLOCKS_PER_MULTIPROCESSOR),
        };
        let (planes, height) = (problem.shape.planes(), problem.owned_rows.1);
        let strips = problem.shape.w.div_ceil(columns as usize);
        let slots = (device.multiprocessors.max(1) * resident) as usize;
        let fewest = height.div_ceil(MAX_CHUNK_ROWS);
        // Past a few blocks for every slot nothing is won by more chunks.
        let most = height.div_ceil(MIN_CHUNK_ROWS).min(fewest.max(8 * slots / strips.min(8 * slots)));
        (fewest..=most)
            .map(|chunks| {
                let chunk_rows = height.div_ceil(chunks).next_multiple_of(STAGE_ROWS as usize).max(MIN_CHUNK_ROWS);
                let cut = Cut { strips, chunks: height.div_ceil(chunk_rows), chunk_rows };
                (cut, (planes * cut.blocks()).div_ceil(slots) * (chunk_rows + halo_rows))
            })
            .min_by_key(|&(_, rows)| rows)
            .expect("fewest is at most `most`")
    }
}

/// Bytes of workspace that any call of this problem needs on any device: two partial sums, those of a loss, for each block of
/// the finest cut, and the sums of a mask.
pub(crate) fn workspace_bytes(problem: &Problem) -> usize {
    let strips = problem.shape.w.div_ceil(FUSED_STRIP_COLUMNS.min(STRIP_COLUMNS) as usize);
    let blocks = (strips * problem.owned_rows.1.div_ceil(MIN_CHUNK_ROWS)).max(Cut::tiles(problem).blocks());
    weights::sum_bytes(problem) + 2 * problem.shape.planes() * blocks * size_of::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::problem::Shape;

    const H200: DeviceProperties =
        DeviceProperties { ordinal: 0, multiprocessors: 132, compute_capability: (9, 0), max_shared_bytes: 232_448 };

    fn problem(c: i64, h: i64, w: i64) -> Problem {
        Problem::new(Shape::new(1, c, h, w).unwrap(), &Options::default()).unwrap()
    }

    #[test]
    fn chunks_cover_every_row_and_the_workspace_every_block() {
        for (h, w) in [(1, 1), (7, 3), (8, 108), (9, 109), (1080, 1920), (1_000_000, 5), (3, 1_000_000)] {
            for c in [1, 3, 70_000] {
                let problem = problem(c, h, w);
                for kernel in [Kernel::Value, Kernel::ValueAndGrad, Kernel::Loss, Kernel::LossAndGrad] {
                    for family in [Family::Strips, Family::Tiles] {
                        let (chosen, cut) = Cut::fastest(&problem, kernel, &H200, family);
                        assert_eq!(chosen == kernel, family == Family::Strips);
                        assert!(cut.chunks * cut.chunk_rows >= h as usize, "{h}x{w}: {cut:?}");
                        assert!((cut.chunks - 1) * cut.chunk_rows < h as usize, "{h}x{w}: an empty chunk: {cut:?}");
                        assert!(cut.chunk_rows.is_multiple_of(STAGE_ROWS as usize) && cut.chunk_rows <= MAX_CHUNK_ROWS);
                        let bytes = 2 * problem.shape.planes() * cut.blocks() * size_of::<f64>();
                        assert!(bytes <= workspace_bytes(&problem), "{h}x{w}: {cut:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn small_images_are_tiles_and_large_ones_strips() {
        let chosen = |c, h, w, kernel| Cut::fastest(&problem(c, h, w), kernel, &H200, Family::Fastest).0;
        for (c, h, w) in [(3, 256, 256), (1, 16, 1920), (6144, 32, 32)] {
            assert_eq!(chosen(c, h, w, Kernel::Value), Kernel::TileValue, "{c}x{h}x{w}");
            assert_eq!(chosen(c, h, w, Kernel::ValueAndGrad), Kernel::TileValueAndGrad, "{c}x{h}x{w}");
        }
        assert_eq!(chosen(3, 512, 512, Kernel::Value), Kernel::TileValue);
        assert_eq!(chosen(3, 512, 512, Kernel::ValueAndGrad), Kernel::ValueAndGrad);
        for (c, h, w) in [(3, 640, 640), (1024, 96, 100), (3, 1080, 1920)] {
            assert_eq!(chosen(c, h, w, Kernel::Value), Kernel::Value, "{c}x{h}x{w}");
            assert_eq!(chosen(c, h, w, Kernel::ValueAndGrad), Kernel::ValueAndGrad, "{c}x{h}x{w}");
        }
        assert_eq!(chosen(3, 32, 32, Kernel::Forward), Kernel::Forward);
    }

    #[test]
    fn both_gradients_are_one_pass_but_for_the_smallest_images() {
        let makes_both = |c, h, w, family| Cut::makes_both(&problem(c, h, w), &H200, family);
        for (c, h, w, one_pass) in
            [(1, 32, 32, false), (3, 128, 128, false), (3, 512, 512, true), (3, 1080, 1920, true)]
        {
            assert_eq!(makes_both(c, h, w, Family::Fastest), one_pass, "{c}x{h}x{w}");
            assert!(makes_both(c, h, w, Family::Strips) && !makes_both(c, h, w, Family::Tiles));
        }
    }

    #[test]
    fn the_environment_forces_a_family_or_fails() {
        assert_eq!(Family::choose(None), Ok(Family::Fastest));
        assert_eq!(Family::choose(Some("strips".as_ref())), Ok(Family::Strips));
        assert_eq!(Family::choose(Some("tiles".as_ref())), Ok(Family::Tiles));
        assert_eq!(Family::choose(Some("general".as_ref())), Ok(Family::General));
        let Err(Error::Option(text)) = Family::choose(Some("bricks".as_ref())) else { panic!("bricks are no family") };
        assert!(text.contains("FSSIM_CUDA") && text.contains("bricks") && text.contains("tiles"), "{text}");
    }
}
