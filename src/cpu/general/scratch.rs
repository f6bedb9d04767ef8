//! The memory that one thread works in: some 2 MiB for the largest windows.

use super::filter::{CHUNK, Plane};
use super::{BLOCK, Job};
use crate::cpu::scratch::filled;
use crate::status::Result;

/// Moments, and after them the partial planes, around a block.
pub(super) const MOMENTS: usize = 5;
/// Filtered partial planes of a block: pu, pv, and one for each gradient.
pub(super) const PARTIALS: usize = 4;

pub(in crate::cpu) struct Scratch {
    /// Pixels around a block: x + y, x - y, the mask, and a product of those.
    pub(super) u: Plane,
    pub(super) v: Plane,
    pub(super) weights: Plane,
    pub(super) product: Plane,
    /// A plane filtered in one direction.
    pub(super) half: Plane,
    /// Moments: mean u, mean v, u^2, v^2, and the weight inside the window. Then the partial planes pu, pv, m1, m2.
    pub(super) moments: [Plane; MOMENTS],
    /// Partial planes filtered in one direction.
    pub(super) half_partials: Plane,
    pub(super) partials: [Plane; PARTIALS],
    /// One row each: of img1 and of img2, of the map, of weights, and of what comes from above.
    pub(super) rows: [Vec<f64>; 4],
    /// One row to be written.
    pub(super) out: Vec<f64>,
}

impl Scratch {
    pub(super) fn new(job: &Job<'_>) -> Result<Self> {
        let around = job.taps.len() - 1;
        let backward = job.gradients.iter().any(Option::is_some);
        let masked = job.inputs.mask.is_some();
        // Rows and columns, padded, of a block, of the map around it, and of the pixels around that.
        let block = (BLOCK.0, BLOCK.1);
        let grown = |(rows, columns): (usize, usize)| (rows + around, (columns + around).next_multiple_of(CHUNK));
        let map = if backward { grown(block) } else { block };
        let pixels = grown(map);
        let plane = |(rows, pitch): (usize, usize), used: bool| -> Result<Plane> {
            Ok(Plane::new(filled(0.0, if used { rows * pitch } else { 0 })?, pitch))
        };
        let moments = || plane(map, true);
        let partials = || plane(block, backward);
        Ok(Scratch {
            u: plane(pixels, true)?,
            v: plane(pixels, true)?,
            weights: plane(pixels, masked)?,
            product: plane(pixels, true)?,
            half: plane((pixels.0, map.1), true)?,
            moments: [moments()?, moments()?, moments()?, moments()?, plane(map, masked)?],
            half_partials: plane((map.0, block.1), backward)?,
            partials: [partials()?, partials()?, partials()?, partials()?],
            rows: [filled(0.0, pixels.1)?, filled(0.0, pixels.1)?, filled(0.0, pixels.1)?, filled(0.0, pixels.1)?],
            out: filled(0.0, pixels.1)?,
        })
    }
}
