//! What the march over tiles is not made for: windows of other sizes, masks, row sharding. Blocks of a plane, one by one,
//! in f64: several times slower, and free of the care that f32 takes.

mod block;
mod filter;
mod scratch;

use std::sync::atomic::{AtomicU64, Ordering};

use super::Inputs;
use super::rung::Rung;
use super::scratch::filled;
use super::threads;
use crate::layout::Sink;
use crate::loss::{Loss, PixelLoss};
use crate::pixels::{Values, ValuesMut};
use crate::problem::{Output, Problem, Reduction};
use crate::status::Result;
pub(super) use block::block;
pub(super) use scratch::Scratch;

/// Rows and columns of a block.
const BLOCK: (usize, usize) = (64, 128);
/// Pixels that are worth a thread of their own.
const PIXELS_PER_THREAD: usize = 1 << 14;

/// What the gradient is multiplied by.
#[derive(Clone, Copy)]
enum Upstream<'a> {
    Groups(Values<'a>),
    Map(Values<'a>),
}

/// Everything that the blocks of a call share.
pub(super) struct Job<'a> {
    problem: &'a Problem,
    inputs: Inputs<'a>,
    output: Output,
    map: Option<Sink<'a>>,
    gradients: [Option<Sink<'a>>; 2],
    upstream: Option<Upstream<'a>>,
    /// What the derivative of a map pixel is multiplied by, for each group of planes.
    map_factors: Vec<f64>,
    pixel: Option<PixelLoss>,
    /// What the derivative of a pixel's loss is multiplied by, for each group of planes.
    pixel_factors: Vec<f64>,
    taps: &'a [f64],
    /// What img1 and img2 are multiplied by: their scale, and 1/range.
    factors: [f64; 2],
}

/// Sums over some pixels: of the weighted SSIM, and of the weighted pixel losses.
#[derive(Clone, Copy)]
pub(super) struct Sums {
    ssim: f64,
    pixel: f64,
}

/// The weights of a group of planes that is reduced to one value. Without a mask each pixel has the weight 1.
#[derive(Clone, Copy)]
struct Group {
    /// Sum of the weights of the map's own pixels.
    map_weight: f64,
    /// What the sum of the weighted map is divided by.
    map_total: f64,
    /// What the sum of the weighted pixel losses is divided by.
    pixel_total: f64,
}

impl Group {
    /// The value of a group whose weighted SSIM has this sum. Where nothing is compared, nothing differs.
    fn value(&self, output: Output, sum: f64) -> f64 {
        if self.map_total == 0.0 {
            return output.of(1.0);
        }
        (output.scale() * sum + output.offset() * self.map_weight) / self.map_total
    }

    fn pixel_loss(&self, sum: f64) -> f64 {
        if self.pixel_total == 0.0 { 0.0 } else { sum / self.pixel_total }
    }
}

/// `numerator / total`, for derivatives: 0 where there is no weight.
fn factor(numerator: f64, total: f64) -> f64 {
    if total == 0.0 { 0.0 } else { numerator / total }
}

pub(super) fn forward(rung: Rung, problem: &Problem, inputs: Inputs<'_>, ssim: ValuesMut<'_>) -> Result<()> {
    let job = job(problem, inputs, problem.output)?;
    run_with_value(rung, job, ssim)
}

pub(super) fn backward(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    grad_ssim: Option<Values<'_>>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, inputs, problem.output)?;
    job.gradients = gradients;
    if grad_ssim.is_some() {
        problem.check_upstream()?;
    }
    job.upstream = match (grad_ssim, problem.reduction) {
        (None, _) => None,
        (Some(map), Reduction::Map) => Some(Upstream::Map(map)),
        (Some(groups), _) => Some(Upstream::Groups(groups)),
    };
    let groups = groups(&job)?;
    job.map_factors = groups.iter().map(|group| factor(job.output.scale(), group.map_total)).collect();
    run(rung, &job).map(drop)
}

pub(super) fn value_and_grad(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    ssim: ValuesMut<'_>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let mut job = job(problem, inputs, problem.output)?;
    job.gradients = gradients;
    run_with_value(rung, job, ssim)
}

/// `loss`: [loss, pixel loss, dissimilarity], each with a value for each group.
pub(super) fn loss(
    rung: Rung,
    problem: &Problem,
    inputs: Inputs<'_>,
    terms: Loss,
    mut loss: ValuesMut<'_>,
    gradients: [Option<Sink<'_>>; 2],
) -> Result<()> {
    let output = Loss::dissimilarity(problem);
    let mut job = job(problem, inputs, output)?;
    job.gradients = gradients;
    job.pixel = Some(terms.pixel);
    let groups = groups(&job)?;
    job.map_factors = groups.iter().map(|group| factor(terms.lambda * output.scale(), group.map_total)).collect();
    job.pixel_factors = groups.iter().map(|group| factor(1.0 - terms.lambda, group.pixel_total)).collect();
    let sums = run(rung, &job)?;
    let count = groups.len();
    for (i, (group, sum)) in groups.iter().zip(&sums).enumerate() {
        let (pixel, dissimilarity) = (group.pixel_loss(sum.pixel), group.value(output, sum.ssim));
        loss.set(i, terms.total(pixel, dissimilarity));
        loss.set(count + i, pixel);
        loss.set(2 * count + i, dissimilarity);
    }
    Ok(())
}

fn job<'a>(problem: &'a Problem, inputs: Inputs<'a>, output: Output) -> Result<Job<'a>> {
    Ok(Job {
        problem,
        inputs,
        output,
        map: None,
        gradients: [None, None],
        upstream: None,
        map_factors: Vec::new(),
        pixel: None,
        pixel_factors: Vec::new(),
        taps: problem.window.taps(),
        factors: problem.scales.map(|scale| scale / problem.constants.data_range),
    })
}

fn run_with_value(rung: Rung, mut job: Job<'_>, mut ssim: ValuesMut<'_>) -> Result<()> {
    let groups = groups(&job)?;
    job.map_factors = groups.iter().map(|group| factor(job.output.scale(), group.map_total)).collect();
    if job.problem.reduction == Reduction::Map {
        let (address, dtype) = ssim.address();
        // SAFETY: `ssim` holds values() elements, here the dense map, borrowed for as long as the job.
        job.map = Some(unsafe { Sink::from_raw(address, dtype, super::call::map_strides(job.problem)) });
        return run(rung, &job).map(drop);
    }
    let sums = run(rung, &job)?;
    for (i, (group, sum)) in groups.iter().zip(&sums).enumerate() {
        ssim.set(i, group.value(job.output, sum.ssim));
    }
    Ok(())
}

/// The weights of each group of planes; for a map, of each plane.
fn groups(job: &Job<'_>) -> Result<Vec<Group>> {
    let problem = job.problem;
    let per_group = problem.planes_per_group();
    let count = problem.shape.planes() / per_group;
    let plain = Group {
        map_weight: (per_group * problem.map_pixels()) as f64,
        map_total: 1.0 / problem.mean_factor(),
        pixel_total: 1.0 / problem.pixel_factor(),
    };
    let mut groups = filled(plain, count)?;
    let Some(mask) = job.inputs.mask.filter(|mask| mask.mode().weights_mean()) else { return Ok(groups) };
    let (first_row, rows) = problem.owned_rows;
    let mut row = filled(0.0, problem.shape.w)?;
    for (index, group) in groups.iter_mut().enumerate() {
        let (mut map, mut pixels) = (0.0, 0.0);
        for plane in index * per_group..(index + 1) * per_group {
            for h in first_row..first_row + rows {
                // SAFETY: the row is inside the shape.
                unsafe { mask.read_row(plane / problem.shape.c, plane % problem.shape.c, h, 0, &mut row) };
                pixels += row.iter().sum::<f64>();
                if (problem.map.top..problem.map.bottom()).contains(&h) {
                    map += row[problem.map.left..problem.map.right()].iter().sum::<f64>();
                }
            }
        }
        let divisor = problem.shard.and_then(|shard| shard.divisor);
        *group = Group {
            map_weight: map,
            map_total: if problem.reduction == Reduction::Map { 1.0 } else { divisor.unwrap_or(map) },
            pixel_total: divisor.unwrap_or(pixels),
        };
    }
    Ok(groups)
}

/// Runs every block and returns the sums of each group; for a map there are none.
fn run(rung: Rung, job: &Job<'_>) -> Result<Vec<Sums>> {
    let problem = job.problem;
    let (rows, columns) = (problem.owned_rows.1.div_ceil(BLOCK.0), problem.shape.w.div_ceil(BLOCK.1));
    let (per_plane, planes) = (rows * columns, problem.shape.planes());
    let ssim: Vec<AtomicU64> = filled(0, per_plane * planes)?.into_iter().map(AtomicU64::new).collect();
    let pixel: Vec<AtomicU64> = filled(0, per_plane * planes)?.into_iter().map(AtomicU64::new).collect();
    let threads = threads::num_threads().min(problem.shape.elements().div_ceil(PIXELS_PER_THREAD));
    threads::share(
        per_plane * planes,
        threads,
        || Scratch::new(job),
        |scratch, index| {
            let at = (index % per_plane / columns, index % columns);
            // SAFETY: a rung in use is available, and each block is run once.
            let sums = unsafe { rung.run_block(job, index / per_plane, at, scratch) };
            ssim[index].store(sums.ssim.to_bits(), Ordering::Relaxed);
            pixel[index].store(sums.pixel.to_bits(), Ordering::Relaxed);
        },
    )?;
    let total = |sums: &[AtomicU64]| sums.iter().map(|sum| f64::from_bits(sum.load(Ordering::Relaxed))).sum();
    let per_group = per_plane * problem.planes_per_group();
    let groups = ssim.chunks_exact(per_group).zip(pixel.chunks_exact(per_group));
    Ok(groups.map(|(ssim, pixel)| Sums { ssim: total(ssim), pixel: total(pixel) }).collect())
}
