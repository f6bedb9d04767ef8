//! The memory that one thread works in. Its size depends on the width of a strip alone.

use super::grid::Grid;
use super::pixel::Shift;
use super::tile::{TILE, Tile};
use crate::status::{Error, Result};

/// Planes that the backward filter runs over: pu, pv, m1, m2.
pub(super) const PLANES: usize = 4;

/// A column of tiles of the input: two tiles of u = img1 + img2 and two of v = img1 - img2, the slots of a ring. The tile
/// of band b is in slot b mod 2. Both are relative to `shift`.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) u: [Tile; 2],
    pub(super) v: [Tile; 2],
    pub(super) shift: [Shift; 2],
    /// Keeps the same row of neighbouring columns out of the same set of the level-1 cache.
    _pad: [f32; TILE - 4],
}

/// A column of tiles of the horizontally filtered partial planes, as a ring like [`Input`].
#[derive(Clone, Copy)]
pub(super) struct Filtered {
    pub(super) planes: [[Tile; 2]; PLANES],
    /// What the tile of the last band was taken relative to.
    pub(super) shift: Shift,
}

/// Tiles that live from one column of a band to the next; the tile of column j is in slot j mod 2.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    /// Transposed vertical moments: mean u, variance u, mean v, variance v.
    pub(super) vertical: [[Tile; 2]; 4],
    /// Transposed moments of the whole window, in the same order. Then partial planes filtered both ways.
    pub(super) moments: [Tile; 4],
    /// Transposed SSIM map.
    pub(super) map: Tile,
    /// Weights of the map's pixels, transposed, and of the gradient's.
    pub(super) weights: [Tile; 2],
    /// Transposed partial planes.
    pub(super) partials: [[Tile; 2]; PLANES],
    /// Gradients of img1 and img2.
    pub(super) gradients: [Tile; 2],
    pub(super) spare: [Tile; 2],
}

/// All of it.
pub(super) struct Scratch {
    pub(super) inputs: Vec<Input>,
    pub(super) filtered: Vec<Filtered>,
    pub(super) tiles: Vec<Tiles>,
}

impl Scratch {
    /// For units of `grid`; `gradient`: with the buffers that only gradients need.
    pub(super) fn new(grid: &Grid, gradient: bool) -> Result<Self> {
        let input = Input { u: [Tile::ZERO; 2], v: [Tile::ZERO; 2], shift: [Shift::ZERO; 2], _pad: [0.0; TILE - 4] };
        let filtered = Filtered { planes: [[Tile::ZERO; 2]; PLANES], shift: Shift::ZERO };
        let tiles = Tiles {
            vertical: [[Tile::ZERO; 2]; 4],
            moments: [Tile::ZERO; 4],
            map: Tile::ZERO,
            weights: [Tile::ZERO; 2],
            partials: [[Tile::ZERO; 2]; PLANES],
            gradients: [Tile::ZERO; 2],
            spare: [Tile::ZERO; 2],
        };
        // One more column of map tiles on the left, one more of input tiles on the right.
        let columns = grid.strip() + 2;
        Ok(Scratch {
            inputs: filled(input, columns)?,
            filtered: filled(filtered, if gradient { grid.strip() } else { 0 })?,
            tiles: filled(tiles, 1)?,
        })
    }
}

/// A vector of `length` copies of `value`, or an error where `vec!` would abort.
pub(super) fn filled<T: Clone>(value: T, length: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(length).map_err(|_| {
        Error::OutOfMemory(format!(
            "out of memory: {} bytes of scratch for the CPU",
            length.saturating_mul(size_of::<T>())
        ))
    })?;
    vector.resize(length, value);
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::problem::{Problem, Shape};

    #[test]
    fn the_widest_strip_needs_less_than_half_a_mebibyte() {
        let shape = Shape::new(1, 1, 100_000, 100_000).expect("a shape");
        let problem = Problem::new(shape, &Options::default()).expect("valid options");
        let scratch = Scratch::new(&Grid::of_gradient(&problem), true).expect("memory");
        let bytes = size_of_val(&*scratch.inputs) + size_of_val(&*scratch.filtered) + size_of_val(&*scratch.tiles);
        assert!(bytes < 512 << 10, "{bytes}");
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let Err(Error::OutOfMemory(text)) = filled(0u8, isize::MAX as usize) else { panic!("nobody has that much") };
        assert!(text.contains("9223372036854775807 bytes"), "{text}");
        assert!(matches!(filled(0u64, usize::MAX), Err(Error::OutOfMemory(_))));
    }
}
