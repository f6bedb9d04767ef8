//! Separable filters over rows of f64.
//!
//! The operations on each element and their order do not depend on where a block begins, nor on the instructions: no
//! fused multiply-add is used. So every cut of an image into blocks or shards gives the same bits.

/// Columns computed together. Rows are padded to a multiple of it.
pub(super) const CHUNK: usize = 16;

/// Some rows of as many columns each.
pub(super) struct Plane {
    data: Vec<f64>,
    pitch: usize,
}

impl Plane {
    pub(super) fn new(data: Vec<f64>, pitch: usize) -> Self {
        Plane { data, pitch }
    }

    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> &[f64] {
        &self.data[index * self.pitch..][..self.pitch]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, index: usize) -> &mut [f64] {
        &mut self.data[index * self.pitch..][..self.pitch]
    }
}

/// Each row of `out` is a row of `from` filtered; its column j sees columns j to j + taps - 1.
#[inline(always)]
fn horizontal(from: &Plane, rows: usize, taps: &[f64], out: &mut Plane) {
    let (radius, last) = (taps.len() / 2, taps.len() - 1);
    for index in 0..rows {
        let from = from.row(index);
        for (chunk, out) in out.row_mut(index).chunks_exact_mut(CHUNK).enumerate() {
            let window = &from[chunk * CHUNK..][..CHUNK + last];
            let mut sum = [0.0; CHUNK];
            for j in 0..CHUNK {
                sum[j] = taps[radius] * window[radius + j];
            }
            for k in 0..radius {
                let (near, far) = (&window[k..][..CHUNK], &window[last - k..][..CHUNK]);
                for j in 0..CHUNK {
                    sum[j] += taps[k] * (near[j] + far[j]);
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}

/// Both filters: `rows` of `from`, and of what is left of them in `to`; `half` lies between.
// A closure would be a function of its own, without the instructions of its caller, where the compiler does not inline it.
#[inline(always)]
pub(super) fn filter(from: &Plane, rows: (usize, usize), taps: &[f64], half: &mut Plane, to: &mut Plane) {
    horizontal(from, rows.0, taps, half);
    vertical(half, rows.1, taps, to);
}

#[inline(always)]
fn chunk_of(plane: &Plane, row: usize, chunk: usize) -> &[f64] {
    &plane.row(row)[chunk * CHUNK..][..CHUNK]
}

/// Row i of `out` is the filter over rows i to i + taps - 1 of `from`.
#[inline(always)]
fn vertical(from: &Plane, rows: usize, taps: &[f64], out: &mut Plane) {
    let (radius, last) = (taps.len() / 2, taps.len() - 1);
    for index in 0..rows {
        for (chunk, out) in out.row_mut(index).chunks_exact_mut(CHUNK).enumerate() {
            let mut sum = [0.0; CHUNK];
            let centre = chunk_of(from, index + radius, chunk);
            for j in 0..CHUNK {
                sum[j] = taps[radius] * centre[j];
            }
            for k in 0..radius {
                let (near, far) = (chunk_of(from, index + k, chunk), chunk_of(from, index + last - k, chunk));
                for j in 0..CHUNK {
                    sum[j] += taps[k] * (near[j] + far[j]);
                }
            }
            out.copy_from_slice(&sum);
        }
    }
}
