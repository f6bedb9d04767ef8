//! One unit of work: marches down the bands of a rectangle of tiles, left to right through each.
//!
//! Per tile, everything in level-1 cache:
//!
//! ```text
//! rows of u, v --vertical moments--> transpose --horizontal moments--> map, partial planes
//!   partial planes --horizontal filter--> transpose --vertical filter--> gradient
//! ```
//!
//! Each filter sees two neighbouring tiles. The forward ones see their own and the next, so the input is one band and one
//! column ahead; the backward ones see the one before and their own, so the gradient comes out a radius of rows and columns
//! behind, and at the edges of a unit one tile of the map is computed again.

use super::gradient::{gradient, horizontal_filter, rebase};
use super::grid::{Grid, Unit};
use super::input::{self, Images};
use super::pixel::{Constants, Inside, Moments, Shift, ssim_tile};
use super::pixel_loss::{self, PixelTerm};
use super::place::Place;
use super::prefetch;
use super::rung::Outlined;
use super::scratch::{Input, PLANES, Scratch, Tiles};
use super::simd::Vector;
use super::tile::{TILE, Taps, Tile};
use super::weights::{self, Group};
use crate::layout::{Sink, Source};
use crate::mask::Mask;
use crate::options::Output;
use crate::problem::Problem;
use crate::units::Units;

/// What the gradient is multiplied by.
pub(super) enum Upstream<'a> {
    /// Ones.
    None,
    /// A factor for each group of planes.
    Groups(&'a [f32]),
    /// A dense map of factors.
    Map(Source<'a>),
}

/// Everything that the units of a call share.
pub(super) struct Job<'a> {
    pub(super) problem: &'a Problem,
    pub(super) images: Images<'a>,
    pub(super) grid: Grid,
    /// Where the partial planes come from: None: computed.
    pub(super) saved_from: Option<[Source<'a>; PLANES]>,
    /// Where the first of the partial planes go; None: nowhere.
    pub(super) saved_to: Option<[Sink<'a>; PLANES]>,
    /// The dense map.
    pub(super) map: Option<Sink<'a>>,
    /// Gradients of img1 and img2, as many as M says; none: the value alone.
    pub(super) gradients: Option<[Sink<'a>; 2]>,
    pub(super) upstream: Upstream<'a>,
    /// Weights of the mean, and their sums in each group of planes.
    pub(super) weights: Option<(Mask<'a>, Vec<Group>)>,
    /// Multiplied onto each element of the first and of the second gradient, beside what the mean of its group divides by.
    pub(super) gradient_factors: [f64; 2],
    /// A loss of single pixels beside SSIM. The grid is one of the gradient then.
    pub(super) pixel: Option<PixelTerm>,
}

/// Sums over the map and over the pixels of a unit: of SSIM, and of the pixel loss.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    pub(super) ssim: f64,
    pub(super) pixel: f64,
}

impl Job<'_> {
    /// What the sum of the map of a group is multiplied by, 0 for one without weight.
    pub(super) fn mean_factor(&self, group: usize) -> f64 {
        match &self.weights {
            Some((_, groups)) => groups[group].map_factor(1.0),
            None => self.problem.mean_factor(),
        }
    }

    /// As `mean_factor`, of the pixel losses.
    pub(super) fn pixel_factor(&self, group: usize) -> f64 {
        match &self.weights {
            Some((_, groups)) => groups[group].pixel_factor(1.0),
            None => self.problem.pixel_factor(),
        }
    }
}

/// Constants in every lane.
pub(super) struct Lanes<V, T> {
    pub(super) taps: T,
    pub(super) constants: Constants<V>,
}

/// Computes one unit and returns its sums. M: gradients served by the partial planes, 0 for none.
///
/// # Safety
/// The processor has V's instructions; no other thread works on the same unit of the same job.
#[inline(always)]
pub(super) unsafe fn march<V: Outlined, T: Taps<V>, const M: usize>(
    job: &Job<'_>,
    unit: &Unit,
    scratch: &mut Scratch,
) -> Sums {
    let problem = job.problem;
    let radius = T::radius(&problem.window);
    let backward = M > 0 && job.gradients.is_some();
    let Scratch { inputs, filtered, tiles } = scratch;
    let tiles = &mut tiles[0];
    let map_bands = problem.map.height.div_ceil(TILE);
    // The backward filters look one tile back.
    let first_band = unit.bands.start - usize::from(backward && unit.bands.start > 0);
    let first_column = unit.columns.start - usize::from(backward && unit.columns.start > 0);
    let inputs = &mut inputs[..unit.columns.end + 1 - first_column];
    let input_rows = |band: usize, rows: usize| input::Window {
        plane: unit.plane,
        first_row: origin(problem.map.top, band, radius),
        rows,
        first_column: origin(problem.map.left, first_column, radius),
        radius,
        slot: band % 2,
    };
    if backward && first_band == unit.bands.start {
        for column in filtered.iter_mut() {
            column.planes[..2 + M].iter_mut().for_each(|plane| plane[1 - first_band % 2] = Tile::ZERO);
        }
    }
    // SAFETY: the caller's promise; the unit lies inside the grid of the problem.
    unsafe {
        let units = Units::new(problem);
        let lanes = Lanes::<V, T> {
            taps: T::new(&problem.window),
            constants: Constants::new([problem.c1, problem.c2].map(|c| units.squared(2.0 * f64::from(c)))),
        };
        let (mut sum, mut pixel_sum) = (V::zero_sum(), V::zero_sum());
        load::<V, M>(&job.images, input_rows(first_band, TILE), inputs);
        for band in first_band..unit.bands.end {
            let ahead = if band + 1 == unit.bands.end { 2 * radius } else { TILE };
            load::<V, M>(&job.images, input_rows(band + 1, ahead), inputs);
            if backward && first_column == unit.columns.start {
                tiles.partials.iter_mut().for_each(|plane| plane[1 - first_column % 2] = Tile::ZERO);
            }
            let mut shift = Shift::ZERO;
            for (g, input) in inputs.iter().enumerate() {
                let slot = (first_column + g) % 2;
                if band + 1 < unit.bands.end {
                    prefetch_input::<V>(job, input_rows(band + 2, TILE), g);
                }
                if band < map_bands && job.saved_from.is_none() {
                    vertical_moments(&lanes, input, band % 2, slot, tiles);
                }
                if g == 0 {
                    continue;
                }
                let column = first_column + g - 1;
                let own = unit.bands.contains(&band) && unit.columns.contains(&column);
                let (shift_before, next, input) = (shift, input, &inputs[g - 1]);
                let at = At { plane: unit.plane, band, column };
                prefetch_planes::<V, M>(job, &at, unit, first_column, radius);
                shift = input.shift[band % 2];
                let step = next.shift[band % 2].relative_to(shift);
                sum = partial_planes::<V, T, M>(job, &lanes, &at, shift, step, own, sum, tiles);
                if backward && unit.columns.contains(&column) {
                    let filtered = &mut filtered[column - unit.columns.start];
                    rebase::<V, M>(&mut tiles.partials, 1 - column % 2, shift_before, shift, radius);
                    horizontal_filter::<V, T, M>(&lanes, column % 2, band % 2, tiles, filtered);
                    if own {
                        rebase::<V, M>(&mut filtered.planes, 1 - band % 2, filtered.shift, shift, radius);
                        pixel_sum = gradient::<V, T, M>(job, &lanes, &at, input, filtered, tiles, pixel_sum);
                    }
                    filtered.shift = shift;
                } else if let Some(term) = &job.pixel
                    && own
                {
                    pixel_sum = pixel_loss::add::<V, 0>(job, term, &at, radius, tiles, pixel_sum);
                }
            }
        }
        Sums { ssim: V::total(sum), pixel: V::total(pixel_sum) }
    }
}

/// The value alone does not need what rounding loses of x - y.
#[inline(always)]
unsafe fn load<V: Outlined, const M: usize>(images: &Images<'_>, window: input::Window, inputs: &mut [Input]) {
    // SAFETY: the caller's promise.
    unsafe {
        if M == 0 {
            V::load_rows::<false>(images, window, inputs)
        } else {
            V::load_rows::<true>(images, window, inputs)
        }
    }
}

/// The first row or column of the image that tile `index` reads, `start` being that of the map.
pub(super) fn origin(start: usize, index: usize, radius: usize) -> isize {
    (start + index * TILE) as isize - radius as isize
}

/// A tile of a plane.
pub(super) struct At {
    pub(super) plane: usize,
    pub(super) band: usize,
    pub(super) column: usize,
}

#[inline(always)]
unsafe fn vertical_moments<V: Vector, T: Taps<V>>(
    lanes: &Lanes<V, T>,
    input: &Input,
    current: usize,
    slot: usize,
    tiles: &mut Tiles,
) {
    let [mean, variance] = &mut tiles.spare;
    let next = input.shift[1 - current].relative_to(input.shift[current]);
    for (ring, step, to) in [(&input.u, next.u, 0), (&input.v, next.v, 2)] {
        let rows = [&ring[current], &ring[1 - current]];
        // SAFETY: the caller's promise that the processor has V's instructions.
        unsafe {
            lanes.taps.moments::<false>(rows, rows, step, mean, variance);
            V::transpose(mean, &mut tiles.vertical[to][slot]);
            V::transpose(variance, &mut tiles.vertical[to + 1][slot]);
        }
    }
}

/// Asks for the pixels of one tile.
#[inline(always)]
unsafe fn prefetch_input<V: Vector>(job: &Job<'_>, window: input::Window, tile: usize) {
    let column = window.first_column + (tile * TILE) as isize;
    for image in [&job.images.img1, &job.images.img2] {
        // SAFETY: the caller's promise that the processor has V's instructions; the plane is inside the shape.
        unsafe { prefetch::tile::<V, false>(image, job.problem.shape, window.plane, window.first_row, column) };
    }
}

/// Asks for the saved planes, the weights and the gradient of a tile that comes soon.
#[inline(always)]
unsafe fn prefetch_planes<V: Vector, const M: usize>(
    job: &Job<'_>,
    at: &At,
    unit: &Unit,
    first_column: usize,
    radius: usize,
) {
    /// Tiles from asking to using: the time of two tiles is some ten times that of a line from memory.
    const AHEAD: usize = 2;
    let Problem { map, shape, .. } = *job.problem;
    let (band, column) = match at.column + AHEAD {
        column if column < unit.columns.end => (at.band, column),
        beyond => (at.band + 1, (first_column + beyond - unit.columns.end).min(unit.columns.end)),
    };
    let (row, left) = ((map.top + band * TILE) as isize, (map.left + column * TILE) as isize);
    // SAFETY: the caller's promise that the processor has V's instructions; the plane is inside the shape.
    unsafe {
        for plane in 0..2 + M {
            if let Some(saved) = &job.saved_from {
                prefetch::tile::<V, false>(&saved[plane], shape, at.plane, row, left);
            }
            if let Some(saved) = &job.saved_to {
                prefetch::tile::<V, true>(&saved[plane].as_source(), shape, at.plane, row, left);
            }
        }
        if let Some((mask, _)) = &job.weights {
            // Read tile by tile like the images, and like them asked for a whole band ahead.
            let (row, left) = ((map.top + (at.band + 1) * TILE) as isize, (map.left + at.column * TILE) as isize);
            prefetch::tile::<V, false>(&mask.as_source(), shape, at.plane, row, left);
        }
        if let Some(gradients) = &job.gradients {
            let (row, left) = (origin(map.top, band, radius), origin(map.left, column, radius));
            for gradient in &gradients[..M] {
                prefetch::tile::<V, true>(&gradient.as_source(), shape, at.plane, row, left);
            }
        }
    }
}

/// Fills the partial planes of a map tile, transposed, and writes what is wanted of the map and of the planes.
#[allow(clippy::too_many_arguments, reason = "all differ from tile to tile")]
#[inline(always)]
unsafe fn partial_planes<V: Vector, T: Taps<V>, const M: usize>(
    job: &Job<'_>,
    lanes: &Lanes<V, T>,
    at: &At,
    shift: Shift,
    step: Shift,
    own: bool,
    sum: V::Sum,
    tiles: &mut Tiles,
) -> V::Sum {
    let problem = job.problem;
    let slot = at.column % 2;
    let inside = Inside {
        rows: problem.map.height.saturating_sub(at.band * TILE).min(TILE),
        columns: problem.map.width.saturating_sub(at.column * TILE).min(TILE),
    };
    if inside.rows == 0 || inside.columns == 0 {
        tiles.partials.iter_mut().for_each(|plane| plane[slot] = Tile::ZERO);
        return sum;
    }
    let (image, channel) = (at.plane / problem.shape.c, at.plane % problem.shape.c);
    let place = Place { image, channel, row: at.band * TILE, column: at.column * TILE, inside };
    let mut total = sum;
    // SAFETY: the caller's promise that the processor has V's instructions. `place` is inside the map.
    unsafe {
        if let Some(saved) = &job.saved_from {
            let place = place.moved_by(problem.map.top, problem.map.left);
            for plane in 0..2 + M {
                place.read(&saved[plane], &mut tiles.spare[0]);
                V::transpose(&tiles.spare[0], &mut tiles.partials[plane][slot]);
            }
        } else {
            horizontal_moments(lanes, step, slot, tiles);
            let [mean_u, var_u, mean_v, var_v] = &tiles.moments;
            let moments = Moments { mean_u, var_u, mean_v, var_v };
            let partials = tiles.partials.each_mut().map(|plane| &mut plane[slot]);
            let weights = match &job.weights {
                Some((mask, _)) => {
                    let map = problem.map;
                    let first = ((map.top + place.row) as isize, (map.left + place.column) as isize);
                    weights::read(mask, (image, channel), first, map, &mut tiles.spare[0]);
                    V::transpose(&tiles.spare[0], &mut tiles.weights[0]);
                    Some(&tiles.weights[0])
                }
                None => None,
            };
            total =
                ssim_tile::<V, M>(&moments, &lanes.constants, shift, inside, weights, &mut tiles.map, partials, sum);
            if let Some(map) = &job.map
                && own
            {
                if problem.output != Output::Ssim {
                    apply_output::<V>(problem.output, &mut tiles.map);
                }
                if job.weights.is_some() {
                    weights::apply::<V>(&mut tiles.map, &tiles.weights[0]);
                }
                V::transpose(&tiles.map, &mut tiles.spare[0]);
                place.write(map, &tiles.spare[0]);
            }
            if let Some(saved) = &job.saved_to
                && own
            {
                let place = place.moved_by(problem.map.top, problem.map.left);
                for plane in 0..2 + M {
                    V::transpose(&tiles.partials[plane][slot], &mut tiles.spare[0]);
                    place.write(&saved[plane], &tiles.spare[0]);
                }
            }
        }
        if let Upstream::Map(upstream) = &job.upstream {
            let [rows, columns] = &mut tiles.spare;
            place.read(upstream, rows);
            V::transpose(rows, columns);
            if job.weights.is_some() {
                weights::clear::<V>(columns, &tiles.weights[0]);
            }
            for plane in 0..2 + M {
                weights::multiply::<V>(&mut tiles.partials[plane][slot], columns);
            }
        }
    }
    if own { total } else { sum }
}

#[inline(always)]
unsafe fn horizontal_moments<V: Vector, T: Taps<V>>(lanes: &Lanes<V, T>, step: Shift, slot: usize, tiles: &mut Tiles) {
    // The vertical moments of the next column are there already: they are in the other slot.
    let Tiles { vertical: [mean_u, var_u, mean_v, var_v], moments: out, .. } = tiles;
    let [out_mean_u, out_var_u, out_mean_v, out_var_v] = out;
    let next = 1 - slot;
    // SAFETY: the caller's promise that the processor has V's instructions.
    unsafe {
        let (means, variances) = ([&mean_u[slot], &mean_u[next]], [&var_u[slot], &var_u[next]]);
        lanes.taps.moments::<true>(means, variances, step.u, out_mean_u, out_var_u);
        let (means, variances) = ([&mean_v[slot], &mean_v[next]], [&var_v[slot], &var_v[next]]);
        lanes.taps.moments::<true>(means, variances, step.v, out_mean_v, out_var_v);
    }
}

/// Turns SSIM into what is returned of it.
#[inline(always)]
unsafe fn apply_output<V: Vector>(output: Output, map: &mut Tile) {
    // SAFETY: the caller's promise that the processor has V's instructions; lane + LANES is at most TILE.
    unsafe {
        let (scale, offset) = (V::splat(output.scale() as f32), V::splat(output.offset() as f32));
        for row in map.0.iter_mut() {
            for lane in (0..TILE).step_by(V::LANES) {
                let ssim = V::load(row.as_ptr().add(lane));
                ssim.mul_add(scale, offset).store(row.as_mut_ptr().add(lane));
            }
        }
    }
}
