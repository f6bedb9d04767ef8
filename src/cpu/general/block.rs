//! One block of a plane: pixels around it, moments, the map with its partial planes, gradients.
//!
//! The formulas are those of `pixel`, without the shift: in f64 nothing that cancels matters.

use super::filter::filter;
use super::scratch::Scratch;
use super::{BLOCK, Job, Sums, Upstream};
use crate::cpu::convert::{read_row, write_row};
use crate::cpu::pixel::GRADIENT_FACTOR;
use crate::loss::PixelLoss;
use crate::mask::MaskMode;
use crate::problem::Shape;

/// A rectangle of the rows in memory, which may reach outside of them.
#[derive(Clone, Copy)]
struct Area {
    top: isize,
    left: isize,
    rows: usize,
    columns: usize,
}

impl Area {
    fn grown(self, by: usize) -> Area {
        Area {
            top: self.top - by as isize,
            left: self.left - by as isize,
            rows: self.rows + 2 * by,
            columns: self.columns + 2 * by,
        }
    }

    /// The columns of the area, counted from its left, that are from `first` to `end` of the image.
    fn columns_within(&self, first: usize, end: usize) -> (usize, usize) {
        let inside = |column: usize| (column as isize - self.left).clamp(0, self.columns as isize) as usize;
        let first = inside(first);
        (first, inside(end).max(first))
    }
}

/// Which block of which plane.
struct Place {
    image: usize,
    channel: usize,
    group: usize,
    plane: usize,
    block: Area,
}

/// Computes block `at` (row and column of blocks) of a plane.
///
/// # Safety
/// No other thread works on the same block of the same job.
#[inline(always)]
pub(in crate::cpu) unsafe fn block(job: &Job<'_>, plane: usize, at: (usize, usize), scratch: &mut Scratch) -> Sums {
    let (problem, Shape { c, w, .. }) = (job.problem, job.problem.shape);
    let (first_row, rows) = problem.owned_rows;
    let (row, column) = (at.0 * BLOCK.0, at.1 * BLOCK.1);
    let place = Place {
        image: plane / c,
        channel: plane % c,
        group: plane / problem.planes_per_group(),
        plane,
        block: Area {
            top: (first_row + row) as isize,
            left: column as isize,
            rows: BLOCK.0.min(rows - row),
            columns: BLOCK.1.min(w - column),
        },
    };
    let radius = problem.window.radius();
    let backward = job.gradients.iter().any(Option::is_some);
    let map = if backward { place.block.grown(radius) } else { place.block };
    let pixels = map.grown(radius);
    // SAFETY: the plane is inside the shape, the block belongs to this thread.
    unsafe {
        load(job, &place, pixels, scratch);
        moments(job, pixels, map, scratch);
        let ssim = map_and_partials(job, &place, map, backward, scratch);
        let offset = ((place.block.top - pixels.top) as usize, (place.block.left - pixels.left) as usize);
        if backward {
            let Scratch { moments, half_partials, partials, .. } = scratch;
            for (partial, filtered) in moments.iter().zip(partials.iter_mut()) {
                filter(partial, (map.rows, place.block.rows), job.taps, half_partials, filtered);
            }
        }
        let pixel = write_gradients(job, &place, offset, scratch);
        Sums { ssim, pixel }
    }
}

/// Fills u, v and the weights; zero outside the image.
#[inline(always)]
unsafe fn load(job: &Job<'_>, place: &Place, area: Area, scratch: &mut Scratch) {
    let Shape { h, w, .. } = job.problem.shape;
    let Scratch { u, v, weights, rows: [x, y, ..], .. } = scratch;
    let (first, end) = area.columns_within(0, w);
    let column = (area.left + first as isize).max(0) as usize;
    let multiply = job.inputs.mask.is_some_and(|mask| mask.mode() == MaskMode::MultiplyInputs);
    for r in 0..area.rows {
        let row = area.top + r as isize;
        let (u, v) = (u.row_mut(r), v.row_mut(r));
        u.fill(0.0);
        v.fill(0.0);
        let inside = row >= 0 && row < h as isize && first < end;
        if let Some(mask) = &job.inputs.mask {
            let weights = weights.row_mut(r);
            weights.fill(0.0);
            if inside {
                // SAFETY: row and columns are inside the image.
                unsafe { mask.read_row(place.image, place.channel, row as usize, column, &mut weights[first..end]) };
            }
        }
        if !inside {
            continue;
        }
        // SAFETY: row and columns are inside the image.
        unsafe {
            let at = [place.image, place.channel, row as usize, column];
            read_row(&job.inputs.img1, at, &mut x[first..end]);
            read_row(&job.inputs.img2, at, &mut y[first..end]);
        }
        for j in first..end {
            let (x, y) = (x[j] * job.factors[0], y[j] * job.factors[1]);
            (u[j], v[j]) = (x + y, x - y);
        }
        if multiply {
            let weights = weights.row(r);
            for j in first..end {
                (u[j], v[j]) = (weighted(weights[j], u[j]), weighted(weights[j], v[j]));
            }
        }
    }
}

/// The product, but 0 for a weight of 0, whatever the value: what is masked out may be NaN.
#[inline(always)]
fn weighted(weight: f64, value: f64) -> f64 {
    if weight == 0.0 { 0.0 } else { weight * value }
}

/// The filtered planes of the map's area: u, v, u^2, v^2, each times the mask where it normalises, and then the mask.
#[inline(always)]
unsafe fn moments(job: &Job<'_>, pixels: Area, map: Area, scratch: &mut Scratch) {
    let Scratch { u, v, weights, product, half, moments, .. } = scratch;
    let normalized = job.inputs.mask.is_some_and(|mask| mask.mode() == MaskMode::Normalized);
    let rows = (pixels.rows, map.rows);
    let [mean_u, mean_v, square_u, square_v, weight] = moments;
    for (from, mean, square) in [(&*u, mean_u, square_u), (&*v, mean_v, square_v)] {
        for power in 1..=2 {
            if power == 1 && !normalized {
                filter(from, rows, job.taps, half, mean);
                continue;
            }
            for r in 0..pixels.rows {
                let (from, to) = (from.row(r), product.row_mut(r));
                for j in 0..to.len() {
                    to[j] = if power == 1 { from[j] } else { from[j] * from[j] };
                }
                if normalized {
                    let weights = weights.row(r);
                    for j in 0..to.len() {
                        to[j] = weighted(weights[j], to[j]);
                    }
                }
            }
            filter(product, rows, job.taps, half, if power == 1 { &mut *mean } else { &mut *square });
        }
    }
    if normalized {
        filter(weights, rows, job.taps, half, weight);
    }
}

/// Turns the moments into partial planes, writes what is wanted of the map, and returns the weighted sum of the block's SSIM.
#[inline(always)]
unsafe fn map_and_partials(job: &Job<'_>, place: &Place, area: Area, backward: bool, scratch: &mut Scratch) -> f64 {
    let (problem, present) = (job.problem, job.problem.present());
    let (twice_c1, twice_c2) = (2.0 * problem.constants.k1.powi(2), 2.0 * problem.constants.k2.powi(2));
    let mode = job.inputs.mask.map(|mask| mask.mode());
    let normalized = mode == Some(MaskMode::Normalized);
    let weights_mean = mode.is_some_and(MaskMode::weights_mean);
    let (first, end) = area.columns_within(present.left, present.right());
    let (own_first, own_end) = place.block.columns_within(problem.map.left, problem.map.right());
    let inset = (place.block.left - area.left) as usize;
    let (own_first, own_end) = (own_first + inset, own_end + inset);
    let own_rows = (problem.map.top as isize).max(place.block.top)
        ..(problem.map.bottom() as isize).min(place.block.top + place.block.rows as isize);
    let mut sum = 0.0;
    let Scratch { moments, rows: [map, factors, weights, _], out, .. } = scratch;
    for r in 0..area.rows {
        let row = area.top + r as isize;
        let [mean_u, mean_v, square_u, square_v, inside] = moments.each_mut();
        let (mean_u, mean_v) = (mean_u.row_mut(r), mean_v.row_mut(r));
        let (square_u, square_v) = (square_u.row_mut(r), square_v.row_mut(r));
        if row < present.top as isize || row >= present.bottom() as isize || first == end {
            for plane in [mean_u, mean_v, square_u, square_v] {
                plane.fill(0.0);
            }
            continue;
        }
        let (row, column) = (row as usize, (area.left + first as isize) as usize);
        // SAFETY: row and columns are those of the map, inside the image.
        unsafe { upstream_row(job, place, row, column, &mut factors[first..end]) };
        if weights_mean && let Some(mask) = &job.inputs.mask {
            // SAFETY: as above.
            unsafe { mask.read_row(place.image, place.channel, row, column, &mut weights[first..end]) };
            for j in first..end {
                factors[j] = weighted(weights[j], factors[j]);
            }
        }
        for plane in [&mut *mean_u, &mut *mean_v, &mut *square_u, &mut *square_v] {
            plane[..first].fill(0.0);
            plane[end..].fill(0.0);
        }
        for j in first..end {
            let per_weight = match normalized {
                true if inside.row(r)[j] > 0.0 => 1.0 / inside.row(r)[j],
                true => 0.0,
                false => 1.0,
            };
            let (mu_u, mu_v) = (mean_u[j] * per_weight, mean_v[j] * per_weight);
            let (uu, vv) = (mu_u * mu_u, mu_v * mu_v);
            let (var_u, var_v) = (square_u[j] * per_weight - uu, square_v[j] * per_weight - vv);
            let (luminance, contrast) = (uu + twice_c1, var_u + twice_c2);
            let (a, c) = (luminance + vv, luminance - vv);
            let (b, d) = (contrast + var_v, contrast - var_v);
            let ab = a * b;
            map[j] = (c * d) / ab;
            if backward {
                let inverse = 1.0 / ab;
                let (k, e) = (c * inverse * (a * inverse), d * inverse * (b * inverse));
                let (pu, minus_pv) = (k * var_v, k * contrast);
                let common = mu_u * (e * vv) - mu_u * pu;
                let other = mu_v * (e * luminance) - mu_v * minus_pv;
                let factor = factors[j] * per_weight;
                mean_u[j] = weighted(factor, pu);
                mean_v[j] = weighted(factor, -minus_pv);
                square_u[j] = weighted(factor, common - other);
                square_v[j] = weighted(factor, common + other);
            }
        }
        if !own_rows.contains(&(row as isize)) || own_first == own_end {
            continue;
        }
        if weights_mean {
            for j in own_first..own_end {
                sum += weighted(weights[j], map[j]);
            }
        } else {
            sum += map[own_first..own_end].iter().sum::<f64>();
        }
        if let Some(sink) = &job.map {
            for j in own_first..own_end {
                let value = job.output.of(map[j]);
                out[j] = if weights_mean { weighted(weights[j], value) } else { value };
            }
            let column = (area.left + own_first as isize) as usize - problem.map.left;
            let at = [place.image, place.channel, row - problem.map.top, column];
            // SAFETY: the pixels are the block's own, inside the map.
            unsafe { write_row(sink, at, &out[own_first..own_end]) };
        }
    }
    sum
}

/// What the derivatives of a row of the map are multiplied by, but for the mask.
#[inline(always)]
unsafe fn upstream_row(job: &Job<'_>, place: &Place, row: usize, column: usize, into: &mut [f64]) {
    let factor = job.map_factors[place.group];
    match job.upstream {
        None => into.fill(factor),
        Some(Upstream::Groups(groups)) => into.fill(factor * groups.get(place.group)),
        Some(Upstream::Map(upstream)) => {
            let map = job.problem.map;
            let first = (place.plane * map.height + row - map.top) * map.width + column - map.left;
            for (j, factors) in into.iter_mut().enumerate() {
                *factors = factor * upstream.get(first + j);
            }
        }
    }
}

/// Writes the gradients of the block and returns the sum of its pixel losses. `offset`: from the area of u and v.
#[inline(always)]
unsafe fn write_gradients(job: &Job<'_>, place: &Place, offset: (usize, usize), scratch: &mut Scratch) -> f64 {
    let Scratch { u, v, weights, partials, rows: [losses, ..], out, .. } = scratch;
    let [pu, pv, m1, m2] = &*partials;
    let (columns, range) = (place.block.columns, job.problem.constants.data_range);
    let mode = job.inputs.mask.map(|mask| mask.mode());
    let pixel_factor = job.pixel_factors.get(place.group).copied().unwrap_or(0.0);
    let mut sum = 0.0;
    for r in 0..place.block.rows {
        let u = &u.row(offset.0 + r)[offset.1..][..columns];
        let v = &v.row(offset.0 + r)[offset.1..][..columns];
        let weight = |j: usize| if mode.is_some() { weights.row(offset.0 + r)[offset.1 + j] } else { 1.0 };
        if let Some(pixel) = job.pixel {
            for j in 0..columns {
                let difference = v[j] * range;
                let (value, derivative) = match pixel {
                    PixelLoss::L1 => (difference.abs(), sign(difference)),
                    PixelLoss::L2 => (difference * difference, 2.0 * difference),
                };
                // Multiplied inputs have their weight in the difference, and get it into their gradient below.
                let weight = if mode == Some(MaskMode::MultiplyInputs) { 1.0 } else { weight(j) };
                sum += weighted(weight, value);
                losses[j] = weighted(weight, derivative) * pixel_factor;
            }
        }
        for (index, gradient) in job.gradients.iter().enumerate() {
            let Some(gradient) = gradient else { continue };
            let (mean, of_v) = if index == 0 { (m1.row(r), 1.0) } else { (m2.row(r), -1.0) };
            let (pu, pv) = (pu.row(r), pv.row(r));
            let scale = job.problem.scales[index];
            for j in 0..columns {
                let of_ssim = GRADIENT_FACTOR / range * (mean[j] + u[j] * pu[j] + of_v * (v[j] * pv[j]));
                // The pixel losses of a normalised mask have their weight already.
                let (through_mask, beside) = match mode {
                    Some(MaskMode::MultiplyInputs) => (of_ssim + of_v * loss_of(job, losses, j), 0.0),
                    _ => (of_ssim, of_v * loss_of(job, losses, j)),
                };
                let own = match mode {
                    Some(MaskMode::MultiplyInputs | MaskMode::Normalized) => weighted(weight(j), through_mask),
                    _ => through_mask,
                };
                out[j] = scale * (own + beside);
            }
            let row = place.block.top as usize + r - job.problem.owned_rows.0;
            let at = [place.image, place.channel, row, place.block.left as usize];
            // SAFETY: the pixels are the block's own.
            unsafe { write_row(gradient, at, &out[..columns]) };
        }
    }
    sum
}

#[inline(always)]
fn loss_of(job: &Job<'_>, losses: &[f64], column: usize) -> f64 {
    if job.pixel.is_some() { losses[column] } else { 0.0 }
}

/// -1, 0 or 1; NaN for NaN.
#[inline(always)]
fn sign(value: f64) -> f64 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}
