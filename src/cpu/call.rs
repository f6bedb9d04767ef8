//! The three operations: turn arguments into a [`Job`], run its units, reduce their sums.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Inputs;
use super::grid::Grid;
use super::input::Images;
use super::march::{Job, Sums, Upstream};
use super::pixel::GRADIENT_FACTOR;
use super::pixel_loss::PixelTerm;
use super::rung::Rung;
use super::scratch::{Scratch, filled};
use super::threads;
use super::weights::groups;
use crate::layout::{Dtype, Sink, Source, Strides};
use crate::loss::Loss;
use crate::options::{Output, Reduction};
use crate::problem::Problem;
use crate::status::Result;
use crate::units::Units;

/// Pixels that are worth a thread of their own: some 50 microseconds of work, the price of starting one.
const PIXELS_PER_THREAD: usize = 1 << 16;

pub(super) fn forward(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: &mut [f32],
    saved: Option<&mut [f32]>,
) -> Result<()> {
    let mut job = job(problem, inputs, Grid::of_map(problem))?;
    let mut planes = 0;
    if let Some(saved) = saved {
        clear_margins(problem, saved);
        planes = usize::from(problem.saved_for.img1) + usize::from(problem.saved_for.img2);
        if !problem.saved_for.img1 {
            job.images.swap();
        }
        job.saved_to = Some(std::array::from_fn(|plane| {
            let plane = plane.min(problem.saved_planes() - 1);
            let start = plane * saved_strides(problem).extent;
            // SAFETY: `saved` holds saved_planes() planes of that extent, borrowed for as long as the job.
            unsafe { Sink::from_raw(saved.as_mut_ptr().add(start).cast(), Dtype::F32, saved_strides(problem)) }
        }));
    }
    run_with_value(rung, planes, job, ssim)
}

pub(super) fn backward(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    saved: Option<&[f32]>,
    grad_ssim: Option<&[f32]>,
    [grad_img1, grad_img2]: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, inputs, Grid::of_gradient(problem))?;
    let planes = set_gradients(&mut job, grad_img1, grad_img2);
    job.upstream = match (grad_ssim, problem.reduction) {
        (None, _) => Upstream::None,
        (Some(map), Reduction::Map) => {
            // SAFETY: an upstream gradient holds values() floats, here the dense map.
            Upstream::Map(unsafe { Source::from_raw(map.as_ptr().cast(), Dtype::F32, map_strides(problem)) })
        }
        (Some(groups), _) => Upstream::Groups(groups),
    };
    if let Some(saved) = saved {
        // The plane m2 follows m1, if that was kept.
        let skipped = usize::from(grad_img1.is_none() && problem.saved_for.img1);
        job.saved_from = Some(std::array::from_fn(|plane| {
            let plane = if plane < 2 { plane } else { plane + skipped };
            let start = plane.min(problem.saved_planes() - 1) * saved_strides(problem).extent;
            // SAFETY: `saved` holds saved_planes() planes of that extent, borrowed for as long as the job.
            unsafe { Source::from_raw(saved.as_ptr().add(start).cast(), Dtype::F32, saved_strides(problem)) }
        }));
    }
    run(rung, planes, &job, None)
}

pub(super) fn value_and_grad(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: &mut [f32],
    [grad_img1, grad_img2]: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, inputs, Grid::of_gradient(problem))?;
    let planes = set_gradients(&mut job, grad_img1, grad_img2);
    run_with_value(rung, planes, job, ssim)
}

/// `values`: [loss, pixel loss, dissimilarity], each with a value for each group.
pub(super) fn loss(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    terms: Loss,
    values: &mut [f32],
    [grad_img1, grad_img2]: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let output = Loss::dissimilarity(problem);
    // The tiles of the gradient are those of the pixels, whether it is wanted or not.
    let mut job = job(problem, inputs, Grid::of_gradient(problem))?;
    job.gradient_factors = gradient_factors(problem, terms.lambda * output.scale());
    job.pixel = Some(PixelTerm::new(problem, terms));
    let planes = set_gradients(&mut job, grad_img1, grad_img2);
    let groups = run_with_sums(rung, planes, &job)?;
    let Some(term) = &job.pixel else { return Ok(()) };
    for (i, sums) in groups.iter().enumerate() {
        let pixel = term.sum(sums.pixel) * job.pixel_factor(i);
        let dissimilarity = value(&job, i, output, sums.ssim);
        values[i] = terms.total(pixel, dissimilarity) as f32;
        values[groups.len() + i] = pixel as f32;
        values[2 * groups.len() + i] = dissimilarity as f32;
    }
    Ok(())
}

/// The value of a group whose map, weighted, has this sum.
fn value(job: &Job<'_>, group: usize, output: Output, sum: f64) -> f64 {
    match &job.weights {
        Some((_, groups)) => groups[group].value(output, sum),
        None => output.of(sum * job.problem.mean_factor()),
    }
}

/// What turns the sums of the gradient's filters into derivatives by pixels, `scale` being that by the mean.
fn gradient_factors(problem: &Problem, scale: f64) -> [f64; 2] {
    pixel_factors(problem).map(|factor| scale * GRADIENT_FACTOR * f64::from(factor))
}

/// What pixels are multiplied by on load.
fn pixel_factors(problem: &Problem) -> [f32; 2] {
    Units::new(problem).scales.map(|scale| scale as f32)
}

/// A job that reads the images and writes nothing yet.
fn job<'a>(problem: &'a Problem, Inputs { img1, img2, mask }: Inputs<'a>, grid: Grid) -> Result<Job<'a>> {
    let weights_mean = mask.is_some_and(|mask| mask.mode().weights_mean());
    let (weights, mask) = match mask {
        Some(mask) if weights_mean => (Some((mask, groups(problem, Some(mask))?)), None),
        mask => (None, mask),
    };
    Ok(Job {
        weights,
        problem,
        images: Images { img1, img2, shape: problem.shape, factors: pixel_factors(problem), mask },
        grid,
        saved_from: None,
        saved_to: None,
        map: None,
        gradients: None,
        upstream: Upstream::None,
        gradient_factors: gradient_factors(problem, problem.output.scale()),
        pixel: None,
    })
}

/// Sets the outputs and returns their number. SSIM is symmetric: the gradient of img2 alone is that of img1 with the
/// images exchanged.
fn set_gradients<'a>(job: &mut Job<'a>, grad_img1: Option<Sink<'a>>, grad_img2: Option<Sink<'a>>) -> usize {
    let (gradients, count) = match (grad_img1, grad_img2) {
        (Some(first), Some(second)) => ([first, second], 2),
        (Some(only), None) => ([only; 2], 1),
        (None, Some(only)) => {
            job.images.swap();
            job.gradient_factors.swap(0, 1);
            if let Some(term) = &mut job.pixel {
                term.swap();
            }
            ([only; 2], 1)
        }
        (None, None) => return 0,
    };
    job.gradients = Some(gradients);
    count
}

fn run_with_value(rung: Rung, planes: usize, mut job: Job<'_>, ssim: &mut [f32]) -> Result<()> {
    let problem = job.problem;
    if problem.reduction == Reduction::Map {
        // SAFETY: `ssim` holds values() floats, here the dense map, borrowed for as long as the job.
        job.map = Some(unsafe { Sink::from_raw(ssim.as_mut_ptr().cast(), Dtype::F32, map_strides(problem)) });
        return run(rung, planes, &job, None);
    }
    for (group, sums) in run_with_sums(rung, planes, &job)?.iter().enumerate() {
        ssim[group] = value(&job, group, problem.output, sums.ssim) as f32;
    }
    Ok(())
}

/// The sums of a unit, as the bits of f64s: whichever thread computes it stores them.
struct UnitSums([AtomicU64; 2]);

impl UnitSums {
    fn store(&self, Sums { ssim, pixel }: Sums) {
        for (to, sum) in self.0.iter().zip([ssim, pixel]) {
            to.store(sum.to_bits(), Ordering::Relaxed);
        }
    }

    fn load(&self) -> Sums {
        let [ssim, pixel] = self.0.each_ref().map(|sum| f64::from_bits(sum.load(Ordering::Relaxed)));
        Sums { ssim, pixel }
    }
}

/// Runs every unit and adds up the sums of each group, always in the same order.
fn run_with_sums(rung: Rung, planes: usize, job: &Job<'_>) -> Result<Vec<Sums>> {
    let units = unit_sums(job.grid.units())?;
    run(rung, planes, job, Some(&units))?;
    let per_group = job.grid.units_per_plane() * job.problem.planes_per_group();
    let zero = Sums { ssim: 0.0, pixel: 0.0 };
    let mut groups = filled(zero, units.len() / per_group)?;
    for (group, units) in groups.iter_mut().zip(units.chunks_exact(per_group)) {
        for unit in units.iter().map(UnitSums::load) {
            group.ssim += unit.ssim;
            group.pixel += unit.pixel;
        }
    }
    Ok(groups)
}

fn unit_sums(units: usize) -> Result<Vec<UnitSums>> {
    Ok(filled([0u64; 2], units)?.into_iter().map(|sums| UnitSums(sums.map(AtomicU64::new))).collect())
}

/// Runs every unit; `sums` receives the sums of each.
fn run(rung: Rung, planes: usize, job: &Job<'_>, sums: Option<&[UnitSums]>) -> Result<()> {
    let threads = threads::num_threads().min(job.problem.shape.elements().div_ceil(PIXELS_PER_THREAD));
    let units = job.grid.units();
    let together = units_together(job.problem, units, threads);
    threads::share(
        units.div_ceil(together),
        threads,
        || Scratch::new(&job.grid, job.gradients.is_some()),
        |scratch, group| {
            for turn in group * together..units.min((group + 1) * together) {
                let index = job.grid.in_turn(turn);
                // SAFETY: a rung in use is available, and each unit is run once.
                let unit = unsafe { rung.run(planes, job, &job.grid.unit(index), scratch) };
                if let Some(sums) = sums {
                    sums[index].store(unit);
                }
            }
        },
    )
}

/// How many units a thread takes at a time. Where channels are interleaved, those that share lines of memory: two threads
/// that write to one line hinder each other.
fn units_together(problem: &Problem, units: usize, threads: usize) -> usize {
    /// Channels that share a line of memory at most.
    const MOST: usize = 16;
    let interleaved = |strides: &Strides| strides.c < strides.w;
    let together = problem.shape.c.min(MOST);
    if [problem.img1, problem.img2, problem.grad_img1, problem.grad_img2].iter().any(interleaved)
        && units.div_ceil(together) >= threads
    {
        together
    } else {
        1
    }
}

/// The dense map, [N][C][height][width].
pub(super) fn map_strides(problem: &Problem) -> Strides {
    let pixels = problem.map_pixels();
    Strides {
        n: problem.shape.c * pixels,
        c: pixels,
        h: problem.map.width,
        w: 1,
        extent: problem.shape.planes() * pixels,
    }
}

/// One kind of saved plane, [N][C][H][pitch].
pub(super) fn saved_strides(problem: &Problem) -> Strides {
    let pitch = problem.saved_pitch();
    let plane = problem.shape.h * pitch;
    Strides { n: problem.shape.c * plane, c: plane, h: pitch, w: 1, extent: problem.shape.planes() * plane }
}

/// Zeros around the map in every saved plane, and in the columns that round a row up.
pub(super) fn clear_margins<T: Copy + Default>(problem: &Problem, saved: &mut [T]) {
    let (map, h) = (problem.map, problem.shape.h);
    for (index, row) in saved.chunks_exact_mut(problem.saved_pitch()).enumerate() {
        if (map.top..map.bottom()).contains(&(index % h)) {
            row[..map.left].fill(T::default());
            row[map.right()..].fill(T::default());
        } else {
            row.fill(T::default());
        }
    }
}
