//! What the march over tiles is not made for: windows wider than two tiles, normalised windows, row sharding, and whatever
//! is not plain in f64. Blocks of a plane, one by one, in f64: several times slower, and free of the care that f32 takes.

mod block;
mod filter;
mod scratch;

use std::sync::atomic::{AtomicU64, Ordering};

use super::Inputs;
use super::rung::Rung;
use super::scratch::filled;
use super::threads;
use super::weights::groups;
use crate::layout::Sink;
use crate::loss::{Loss, PixelLoss};
use crate::options::{Output, Reduction};
use crate::pixels::{Values, ValuesMut};
use crate::problem::Problem;
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
    let groups = groups(job.problem, job.inputs.mask)?;
    job.map_factors = groups.iter().map(|group| group.map_factor(job.output.scale())).collect();
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
    let groups = groups(job.problem, job.inputs.mask)?;
    job.map_factors = groups.iter().map(|group| group.map_factor(terms.lambda * output.scale())).collect();
    job.pixel_factors = groups.iter().map(|group| group.pixel_factor(1.0 - terms.lambda)).collect();
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
    let groups = groups(job.problem, job.inputs.mask)?;
    job.map_factors = groups.iter().map(|group| group.map_factor(job.output.scale())).collect();
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
