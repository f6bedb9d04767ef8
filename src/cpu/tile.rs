//! Tiles of 16 x 16 floats and the filters over them.
//!
//! A filter always runs across the 16 vectors of a tile, never along a vector: vertically over a tile whose vectors are
//! rows, horizontally over a transposed one, whose vectors are columns. So no filter needs unaligned loads or shuffles,
//! and two transpositions per plane are the whole price of the second direction.

use super::simd::Vector;
use crate::window::Window;

/// Rows and columns of a tile; a multiple of every vector's lanes.
pub(super) const TILE: usize = 16;
/// The most taps on each side of the centre: a window sees two neighbouring tiles.
pub(super) const MAX_RADIUS: usize = TILE / 2;
/// Outputs computed together.
pub(super) const BLOCK: usize = 4;

/// 16 vectors of 16 floats.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub(super) struct Tile(pub(super) [[f32; TILE]; TILE]);

impl Tile {
    pub(super) const ZERO: Tile = Tile([[0.0; TILE]; TILE]);
}

/// The filters of a window.
///
/// # Safety
/// The methods may only be called on a processor that has V's instructions; the window's radius is at most MAX_RADIUS.
#[allow(clippy::missing_safety_doc, reason = "one condition for all methods, stated above")]
pub(super) trait Taps<V: Vector>: Copy {
    unsafe fn new(window: &Window) -> Self;

    /// Taps on each side of the centre.
    fn radius(window: &Window) -> usize;

    /// Mean and variance under the taps, of 16 windows across the vectors of two tiles: output i sees inputs i to
    /// i + 2 radius.
    ///
    /// Both are taken relative to a pixel near the centre of the window: mean = c + G*(x - c) and
    /// variance = G*(x - c)^2 - (G*(x - c))^2. That pixel has a weight of at least 0.1 (11 taps of sigma 1.5), so the two
    /// terms are at most ten times the variance, and what cancels is lost relative to the variance instead of relative to
    /// the squared mean. With plain moments a bright flat part of a photograph would lose four digits of the gradient.
    ///
    /// In the SECOND direction the inputs are means and variances of the first: the variance of the whole window is the
    /// mean of the variances plus the variance of the means.
    ///
    /// `step` is added to the second tile's means, which may be relative to another constant than the first's.
    unsafe fn moments<const SECOND: bool>(
        &self,
        means: [&Tile; 2],
        variances: [&Tile; 2],
        step: f32,
        mean: &mut Tile,
        variance: &mut Tile,
    );

    /// The plain filter of 16 windows across two tiles: output i sees inputs TILE - 2 radius + i to TILE + i. So outputs
    /// sit a radius before the second tile and never wait for a tile that is not there yet.
    unsafe fn filter(&self, tiles: [&Tile; 2], out: &mut Tile);

    /// [`Taps::filter`] for one who reads the outputs once, after this, with [`Taps::rows`]: the work is in either.
    unsafe fn start(&self, tiles: [&Tile; 2], filtered: &mut Tile);

    /// Outputs FIRST to FIRST + 3, lanes `lane` and up, of what was started.
    unsafe fn rows<const FIRST: usize>(&self, tiles: [&Tile; 2], filtered: &Tile, lane: usize) -> [V; BLOCK];
}
