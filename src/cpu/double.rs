//! The computation in f64, for gradient checks and for whoever wants the digits: images, results and gradients of f64.
//!
//! Written from the definition, with the textbook's moments: mu1 = G*x, mu2 = G*y, p = G*(x^2 + y^2), q = G*(xy). What
//! cancels in them costs f64 some six of its sixteen digits at worst. A unit is a rectangle of the image; it marches down
//! the rows and keeps as many of them as the window has taps, so memory depends on neither height nor width.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::call::{clear_margins, map_strides, saved_strides};
use super::rung::Rung;
use super::scratch::filled;
use super::threads;
use crate::layout::{Dtype, Sink, Source};
use crate::options::Reduction;
use crate::problem::Problem;
use crate::status::Result;
use crate::window::WINDOW_TAPS;

/// Rows and columns of a unit. Around them it computes a margin of two windows' radius again.
const ROWS: usize = 64;
const COLUMNS: usize = 512;
const RADIUS: usize = WINDOW_TAPS / 2;
/// Columns that are kept of each row.
const WIDTH: usize = COLUMNS + 4 * RADIUS;
/// dS/dp, dS/dq, dS/dmu1, dS/dmu2.
const PLANES: usize = 4;
/// Pixels that are worth a thread of their own.
const PIXELS_PER_THREAD: usize = 1 << 14;

/// A row of a unit: column j is column j - 2 RADIUS of the unit.
type Row = [f64; WIDTH];

enum Upstream<'a> {
    None,
    Groups(&'a [f64]),
    Map(Source<'a>),
}

struct Job<'a> {
    problem: &'a Problem,
    images: [Source<'a>; 2],
    /// What pixels are multiplied by.
    factors: [f64; 2],
    taps: [f64; WINDOW_TAPS],
    c1: f64,
    c2: f64,
    map: Option<Sink<'a>>,
    saved_to: Option<[Option<Sink<'a>>; PLANES]>,
    saved_from: Option<[Option<Source<'a>>; PLANES]>,
    gradients: [Option<Sink<'a>>; 2],
    upstream: Upstream<'a>,
}

/// What one thread works in. Row r of a ring is in slot r mod WINDOW_TAPS.
struct Scratch {
    images: [Vec<Row>; 2],
    vertical: Vec<Row>,
    moments: Vec<Row>,
    partials: Vec<Row>,
    filtered: [Vec<Row>; PLANES],
    out: Vec<Row>,
}

impl Scratch {
    fn new() -> Result<Self> {
        let rows = |count| filled([0.0; WIDTH], count);
        Ok(Scratch {
            images: [rows(WINDOW_TAPS)?, rows(WINDOW_TAPS)?],
            vertical: rows(4)?,
            moments: rows(4)?,
            partials: rows(PLANES)?,
            filtered: [rows(WINDOW_TAPS)?, rows(WINDOW_TAPS)?, rows(WINDOW_TAPS)?, rows(WINDOW_TAPS)?],
            out: rows(PLANES)?,
        })
    }
}

pub(super) fn forward(
    rung: Rung,
    problem: &Problem,
    images: [Source<'_>; 2],
    ssim: &mut [f64],
    saved: Option<&mut [f64]>,
) -> Result<()> {
    let mut job = job(problem, images);
    if let Some(saved) = saved {
        clear_margins(problem, saved);
        let extent = saved_strides(problem).extent;
        job.saved_to = Some(saved_planes(problem).map(|plane| {
            plane.map(|plane| {
                // SAFETY: `saved` holds saved_planes() planes of that extent, borrowed for as long as the job.
                unsafe {
                    let start = saved.as_mut_ptr().add(plane * extent);
                    Sink::from_raw(start.cast(), Dtype::F64, saved_strides(problem))
                }
            })
        }));
    }
    run_with_value(rung, job, ssim)
}

pub(super) fn backward(
    rung: Rung,
    problem: &Problem,
    images: [Source<'_>; 2],
    saved: Option<&[f64]>,
    grad_ssim: Option<&[f64]>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, images);
    job.gradients = gradients;
    job.upstream = match (grad_ssim, problem.reduction) {
        (None, _) => Upstream::None,
        (Some(map), Reduction::Map) => {
            // SAFETY: an upstream gradient holds values() elements, here the dense map.
            Upstream::Map(unsafe { Source::from_raw(map.as_ptr().cast(), Dtype::F64, map_strides(problem)) })
        }
        (Some(groups), _) => Upstream::Groups(groups),
    };
    if let Some(saved) = saved {
        let extent = saved_strides(problem).extent;
        job.saved_from = Some(saved_planes(problem).map(|plane| {
            plane.map(|plane| {
                // SAFETY: `saved` holds saved_planes() planes of that extent, borrowed for as long as the job.
                unsafe {
                    let start = saved.as_ptr().add(plane * extent);
                    Source::from_raw(start.cast(), Dtype::F64, saved_strides(problem))
                }
            })
        }));
    }
    run(rung, &job, None)
}

pub(super) fn value_and_grad(
    rung: Rung,
    problem: &Problem,
    images: [Source<'_>; 2],
    ssim: &mut [f64],
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, images);
    job.gradients = gradients;
    run_with_value(rung, job, ssim)
}

fn job<'a>(problem: &'a Problem, images: [Source<'a>; 2]) -> Job<'a> {
    let constants = problem.constants;
    Job {
        problem,
        images,
        factors: problem.scales.map(|scale| scale / constants.data_range),
        taps: problem.window.taps().try_into().expect("is_plain was asked"),
        c1: constants.k1 * constants.k1,
        c2: constants.k2 * constants.k2,
        map: None,
        saved_to: None,
        saved_from: None,
        gradients: [None; 2],
        upstream: Upstream::None,
    }
}

/// Which plane of `saved` keeps each of the partial planes.
fn saved_planes(problem: &Problem) -> [Option<usize>; PLANES] {
    let (first, second) = (problem.saved_for.img1, problem.saved_for.img2);
    [Some(0), Some(1), first.then_some(2), second.then_some(2 + usize::from(first))]
}

fn run_with_value(rung: Rung, mut job: Job<'_>, ssim: &mut [f64]) -> Result<()> {
    let problem = job.problem;
    if problem.reduction == Reduction::Map {
        // SAFETY: `ssim` holds values() elements, here the dense map, borrowed for as long as the job.
        job.map = Some(unsafe { Sink::from_raw(ssim.as_mut_ptr().cast(), Dtype::F64, map_strides(problem)) });
        return run(rung, &job, None);
    }
    let sums: Vec<AtomicU64> = filled(0, units(problem))?.into_iter().map(AtomicU64::new).collect();
    run(rung, &job, Some(&sums))?;
    let per_group = units(problem) / problem.shape.planes() * problem.planes_per_group();
    for (value, sums) in ssim.iter_mut().zip(sums.chunks_exact(per_group)) {
        let sum: f64 = sums.iter().map(|sum| f64::from_bits(sum.load(Ordering::Relaxed))).sum();
        *value = problem.output.of(sum * problem.mean_factor());
    }
    Ok(())
}

fn units(problem: &Problem) -> usize {
    problem.shape.planes() * problem.shape.h.div_ceil(ROWS) * problem.shape.w.div_ceil(COLUMNS)
}

fn run(rung: Rung, job: &Job<'_>, sums: Option<&[AtomicU64]>) -> Result<()> {
    let shape = job.problem.shape;
    let threads = threads::num_threads().min(shape.elements().div_ceil(PIXELS_PER_THREAD));
    threads::share(units(job.problem), threads, Scratch::new, |scratch, index| {
        let strips = shape.w.div_ceil(COLUMNS);
        let (rest, strip) = (index / strips, index % strips);
        let (plane, chunk) = (rest / shape.h.div_ceil(ROWS), rest % shape.h.div_ceil(ROWS));
        let unit = Unit {
            image: plane / shape.c,
            channel: plane % shape.c,
            rows: chunk * ROWS..shape.h.min((chunk + 1) * ROWS),
            columns: strip * COLUMNS..shape.w.min((strip + 1) * COLUMNS),
        };
        // SAFETY: the unit is inside the image and run once; a rung in use is available.
        let sum = unsafe {
            match rung {
                #[cfg(target_arch = "x86_64")]
                Rung::Avx2 | Rung::Avx512 => march_avx2(job, &unit, scratch),
                _ => march(job, &unit, scratch),
            }
        };
        if let Some(sums) = sums {
            sums[index].store(sum.to_bits(), Ordering::Relaxed);
        }
    })
}

/// A rectangle of a plane.
struct Unit {
    image: usize,
    channel: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// The same arithmetic in wider vectors: nothing here is fused, so the bits are the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn march_avx2(job: &Job<'_>, unit: &Unit, scratch: &mut Scratch) -> f64 {
    // SAFETY: the caller's promise.
    unsafe { march(job, unit, scratch) }
}

/// Computes one unit and returns the sum of its map.
#[inline(always)]
unsafe fn march(job: &Job<'_>, unit: &Unit, scratch: &mut Scratch) -> f64 {
    let problem = job.problem;
    let backward = job.gradients.iter().any(Option::is_some);
    let margin = if backward { RADIUS } else { 0 };
    let (first, last) = (unit.rows.start as isize - margin as isize, (unit.rows.end + margin) as isize);
    let map = problem.map;
    // The map's columns that this unit computes, as columns of the image.
    let map_columns = {
        let start = map.left.max(unit.columns.start.saturating_sub(margin));
        start..map.right().min(unit.columns.end + margin).max(start)
    };
    let mut sum = 0.0;
    // SAFETY: rows and columns are inside the image wherever they are read or written.
    unsafe {
        for row in first - RADIUS as isize..first + RADIUS as isize {
            load_row(job, unit, row, &mut scratch.images);
        }
        for row in first..last {
            load_row(job, unit, row + RADIUS as isize, &mut scratch.images);
            let in_map = row >= map.top as isize && row < map.bottom() as isize;
            if in_map {
                sum += map_row(job, unit, row as usize, &map_columns, scratch);
            }
            if backward {
                filter_partials(job, in_map, row, scratch);
                let done = row - RADIUS as isize;
                if done >= unit.rows.start as isize {
                    gradient_row(job, unit, done as usize, scratch);
                }
            }
        }
    }
    sum
}

fn slot(row: isize) -> usize {
    row.rem_euclid(WINDOW_TAPS as isize) as usize
}

/// The column of a `Row` that holds a column of the image.
fn local(unit: &Unit, column: usize) -> usize {
    column + 2 * RADIUS - unit.columns.start
}

/// Reads a row of both images; zeros outside.
#[inline(always)]
unsafe fn load_row(job: &Job<'_>, unit: &Unit, row: isize, rings: &mut [Vec<Row>; 2]) {
    let shape = job.problem.shape;
    for ((ring, image), factor) in rings.iter_mut().zip(&job.images).zip(job.factors) {
        let to = &mut ring[slot(row)];
        to.fill(0.0);
        if row < 0 || row >= shape.h as isize {
            continue;
        }
        let columns = unit.columns.start.saturating_sub(2 * RADIUS)..shape.w.min(unit.columns.end + 2 * RADIUS);
        let to = &mut to[local(unit, columns.start)..][..columns.len()];
        // SAFETY: the row and the columns are inside the image.
        unsafe {
            let (from, stride) = image.at(unit.image, unit.channel, row as usize, columns.start);
            let from = from.cast::<f64>();
            for (i, pixel) in to.iter_mut().enumerate() {
                *pixel = *from.add(i * stride) * factor;
            }
        }
    }
}

/// The map and the partial planes of a row; returns the sum of the part that belongs to the unit.
#[inline(always)]
unsafe fn map_row(job: &Job<'_>, unit: &Unit, row: usize, columns: &Range<usize>, scratch: &mut Scratch) -> f64 {
    let problem = job.problem;
    let own_columns = columns.start.max(unit.columns.start)..columns.end.min(unit.columns.end);
    let own = unit.rows.contains(&row) && !own_columns.is_empty();
    let locals = local(unit, columns.start)..local(unit, columns.end);
    scratch.partials.iter_mut().for_each(|plane| plane.fill(0.0));
    let map_place = |column: usize| (unit.image, unit.channel, row - problem.map.top, column - problem.map.left);
    let mut sum = 0.0;
    // SAFETY: row and columns are inside the map.
    unsafe {
        if let Some(saved) = &job.saved_from {
            for (plane, saved) in scratch.partials.iter_mut().zip(saved) {
                let Some(saved) = saved else { continue };
                let from = saved.at(unit.image, unit.channel, row, columns.start).0.cast::<f64>();
                std::ptr::copy_nonoverlapping(from, plane[locals.clone()].as_mut_ptr(), locals.len());
            }
        } else {
            vertical_moments(job, row, scratch);
            for (moments, vertical) in scratch.moments.iter_mut().zip(&scratch.vertical) {
                filter_row(&job.taps, vertical, moments, locals.clone());
            }
            ssim_row(job, &scratch.moments, &mut scratch.partials, &mut scratch.out[0], locals.clone());
            if own {
                let own_locals = local(unit, own_columns.start)..local(unit, own_columns.end);
                let values = &scratch.out[0][own_locals.clone()];
                sum = values.iter().sum();
                if let Some(map) = &job.map {
                    let (n, c, h, w) = map_place(own_columns.start);
                    let to = map.at(n, c, h, w).0.cast::<f64>();
                    for (i, &value) in values.iter().enumerate() {
                        *to.add(i) = problem.output.of(value);
                    }
                }
                for (plane, saved) in scratch.partials.iter().zip(job.saved_to.iter().flatten()) {
                    let Some(saved) = saved else { continue };
                    let to = saved.at(unit.image, unit.channel, row, own_columns.start).0.cast::<f64>();
                    std::ptr::copy_nonoverlapping(plane[own_locals.clone()].as_ptr(), to, own_locals.len());
                }
            }
        }
        if let Upstream::Map(upstream) = &job.upstream
            && !locals.is_empty()
        {
            let (n, c, h, w) = map_place(columns.start);
            let from = upstream.at(n, c, h, w).0.cast::<f64>();
            for plane in &mut scratch.partials {
                for (i, value) in plane[locals.clone()].iter_mut().enumerate() {
                    *value *= *from.add(i);
                }
            }
        }
    }
    sum
}

#[inline(always)]
fn vertical_moments(job: &Job<'_>, row: usize, scratch: &mut Scratch) {
    let [x, y] = &scratch.images;
    let [mu1, mu2, p, q] = &mut scratch.vertical[..] else { unreachable!("there are four moments") };
    for sums in [&mut *mu1, &mut *mu2, &mut *p, &mut *q] {
        sums.fill(0.0);
    }
    for (k, &tap) in job.taps.iter().enumerate() {
        let at = slot((row + k) as isize - RADIUS as isize);
        let (x, y) = (&x[at], &y[at]);
        for j in 0..WIDTH {
            mu1[j] += tap * x[j];
            mu2[j] += tap * y[j];
            p[j] += tap * (x[j] * x[j] + y[j] * y[j]);
            q[j] += tap * (x[j] * y[j]);
        }
    }
}

/// The horizontal filter of some columns, none of them nearer than RADIUS to an end.
#[inline(always)]
fn filter_row(taps: &[f64; WINDOW_TAPS], from: &Row, to: &mut Row, columns: Range<usize>) {
    let to = &mut to[columns.clone()];
    to.fill(0.0);
    for (k, &tap) in taps.iter().enumerate() {
        let from = &from[columns.start + k - RADIUS..][..columns.len()];
        for (sum, &value) in to.iter_mut().zip(from) {
            *sum += tap * value;
        }
    }
}

#[inline(always)]
fn ssim_row(job: &Job<'_>, moments: &[Row], partials: &mut [Row], map: &mut Row, columns: Range<usize>) {
    let [mu1, mu2, p, q] = moments else { unreachable!("there are four moments") };
    let [d_p, d_q, d_mu1, d_mu2] = partials else { unreachable!("there are four partial planes") };
    for j in columns {
        let (mu1, mu2) = (mu1[j], mu2[j]);
        let squares = mu1 * mu1 + mu2 * mu2;
        let product = mu1 * mu2;
        let (a, b) = (squares + job.c1, (p[j] - squares) + job.c2);
        let (c, d) = (2.0 * product + job.c1, 2.0 * (q[j] - product) + job.c2);
        let ssim = (c * d) / (a * b);
        let twice = 2.0 / (a * b);
        map[j] = ssim;
        d_p[j] = -ssim / b;
        d_q[j] = twice * c;
        d_mu1[j] = twice * (mu2 * (d - c) - mu1 * ssim * (b - a));
        d_mu2[j] = twice * (mu1 * (d - c) - mu2 * ssim * (b - a));
    }
}

/// The horizontal filter of the partial planes into their rings.
#[inline(always)]
fn filter_partials(job: &Job<'_>, in_map: bool, row: isize, scratch: &mut Scratch) {
    for (ring, plane) in scratch.filtered.iter_mut().zip(&scratch.partials) {
        let to = &mut ring[slot(row)];
        if in_map {
            filter_row(&job.taps, plane, to, 2 * RADIUS..WIDTH - 2 * RADIUS);
        } else {
            to.fill(0.0);
        }
    }
}

/// The vertical filter of the partial planes, and the gradient of a row.
#[inline(always)]
unsafe fn gradient_row(job: &Job<'_>, unit: &Unit, row: usize, scratch: &mut Scratch) {
    let problem = job.problem;
    let columns = 2 * RADIUS..2 * RADIUS + unit.columns.len();
    for (ring, out) in scratch.filtered.iter().zip(&mut scratch.out) {
        let out = &mut out[columns.clone()];
        out.fill(0.0);
        for (k, &tap) in job.taps.iter().enumerate() {
            let from = &ring[slot((row + k) as isize - RADIUS as isize)][columns.clone()];
            for (sum, &value) in out.iter_mut().zip(from) {
                *sum += tap * value;
            }
        }
    }
    let upstream = match job.upstream {
        Upstream::Groups(groups) => groups[(unit.image * problem.shape.c + unit.channel) / problem.planes_per_group()],
        // A map is multiplied onto the partial planes instead.
        Upstream::None | Upstream::Map(_) => 1.0,
    };
    let at = slot(row as isize);
    let images = [&scratch.images[0][at], &scratch.images[1][at]];
    let [d_p, d_q, means @ ..] = &scratch.out[..] else { unreachable!("there are four partial planes") };
    for (m, sink) in job.gradients.iter().enumerate() {
        let Some(sink) = sink else { continue };
        let factor = upstream * problem.output.scale() * problem.mean_factor() * job.factors[m];
        let (own, other, mean) = (images[m], images[1 - m], &means[m]);
        // SAFETY: the row and the columns are inside the image, and this unit's own.
        unsafe {
            let (to, stride) = sink.at(unit.image, unit.channel, row, unit.columns.start);
            let to = to.cast::<f64>();
            for (i, j) in columns.clone().enumerate() {
                *to.add(i * stride) = factor * (mean[j] + 2.0 * own[j] * d_p[j] + other[j] * d_q[j]);
            }
        }
    }
}
