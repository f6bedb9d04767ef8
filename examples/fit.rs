//! Recovers a photograph from noise by gradient descent on SSIM, on the CPU.
//!
//!     cargo run --release --example fit
//!
//! What it shows of the library: `value_and_grad` inside an optimiser, and the SSIM map. `--help` lists the options.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use fused_ssim::{Padding, instruction_set, num_threads};
use image::{DynamicImage, Rgb, RgbImage};

use support::adam::Adam;
use support::chart::{self, Curve};
use support::fit_options::{FitOptions, HELP, Start};
use support::heat_map::SsimMap;
use support::loss::{Objective, Sample};
use support::picture::{self, Picture};
use support::progress::Progress;
use support::sheet::{self, Column};
use support::ticks::Scale;

mod support {
    pub mod adam;
    pub mod canvas;
    pub mod chart;
    pub mod color_map;
    pub mod fit_options;
    pub mod heat_map;
    pub mod loss;
    pub mod picture;
    pub mod progress;
    pub mod sheet;
    pub mod ticks;
}

const CAT: &[u8] = include_bytes!("images/chelsea.png");
/// Standard deviation of `--start blur`, in pixels.
const BLUR_SIGMA: f32 = 4.0;
/// The learning rate falls exponentially to this share of its first value, so that the end is calm.
const LAST_LEARNING_RATE: f32 = 0.05;

/// The maps on the sheet share one scale, so that they can be compared.
const SHEET_SCALE: Scale = Scale::Linear { low: 0.0, high: 1.0 };

const BLUE: Rgb<u8> = Rgb([31, 98, 173]);
const RED: Rgb<u8> = Rgb([196, 61, 40]);

/// A finished fit.
struct Fit {
    start: Picture,
    /// The first picture with half of the SSIM that the start lacks, and its iteration.
    halfway: Option<(usize, Picture)>,
    recovered: Picture,
    /// Before the first step and after each.
    history: Vec<Sample>,
    elapsed: Duration,
}

fn main() -> ExitCode {
    let options = match FitOptions::parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("fit: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fit: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &FitOptions) -> Result<(), String> {
    let image = match &options.image {
        Some(path) => picture::load(path)?,
        None => image::load_from_memory(CAT).map_err(|error| error.to_string())?,
    };
    let image = picture::shrink(image, options.size);
    let target = Picture::from_image(&image);
    // Before the work, not after it: a folder that cannot be made should not cost the user the run.
    std::fs::create_dir_all(&options.out)
        .map_err(|error| format!("cannot make the folder {}: {error}", options.out.display()))?;

    let start = first_guess(options, &image, &target);
    let fit = descend(options, &target, start)?;
    let written = write_pictures(options, &fit, &target)?;
    summarise(options, &target, &fit, &written);
    Ok(())
}

fn first_guess(options: &FitOptions, image: &DynamicImage, target: &Picture) -> Picture {
    match options.start {
        Start::Blur => Picture::from_image(&image.blur(BLUR_SIGMA)),
        Start::Noise => {
            let mut random = fastrand::Rng::with_seed(options.seed);
            Picture { data: target.data.iter().map(|_| random.f32()).collect(), ..*target }
        }
    }
}

fn descend(options: &FitOptions, target: &Picture, start: Picture) -> Result<Fit, String> {
    let mut objective = Objective::new(target, options.loss).map_err(|error| error.to_string())?;
    let mut adam = Adam::new(start.data.len());
    let mut picture = start.clone();
    let mut history: Vec<Sample> = Vec::with_capacity(options.iterations + 1);
    let mut halfway = None;
    let progress = Progress::new(options.iterations);
    let begin = Instant::now();
    for iteration in 0..=options.iterations {
        let (sample, gradient) = objective.evaluate(&picture.data).map_err(|error| error.to_string())?;
        history.push(sample);
        if iteration > 0 {
            progress.report(iteration, sample);
        }
        if halfway.is_none() && 1.0 - sample.ssim <= 0.5 * (1.0 - history[0].ssim) {
            halfway = Some((iteration, picture.clone()));
        }
        if iteration < options.iterations {
            let decay = LAST_LEARNING_RATE.powf(iteration as f32 / options.iterations as f32);
            adam.step(&mut picture.data, gradient, options.learning_rate * decay);
            picture.data.iter_mut().for_each(|value| *value = value.clamp(0.0, 1.0));
        }
    }
    let elapsed = begin.elapsed();
    progress.finish();
    Ok(Fit { start, halfway, recovered: picture, history, elapsed })
}

fn write_pictures(options: &FitOptions, fit: &Fit, target: &Picture) -> Result<Vec<PathBuf>, String> {
    let map_of =
        |picture: &Picture| SsimMap::compute(picture, target, Padding::Same).map_err(|error| error.to_string());
    let column = |title: &str, iteration: usize, picture: &Picture| {
        Ok::<_, String>(Column {
            title: title.to_owned(),
            note: format!("SSIM {:.4}", fit.history[iteration].ssim),
            picture: picture.to_rgb8(),
            map: Some(map_of(picture)?.render(SHEET_SCALE)),
        })
    };
    let mut columns = vec![column("start", 0, &fit.start)?];
    if let Some((iteration, picture)) = &fit.halfway {
        columns.push(column(&format!("iteration {iteration}"), *iteration, picture)?);
    }
    columns.push(column(&format!("iteration {}", options.iterations), options.iterations, &fit.recovered)?);
    columns.push(Column {
        title: "original".to_owned(),
        note: target.describe(),
        picture: target.to_rgb8(),
        map: None,
    });

    let last_ssim = fit.history[options.iterations].ssim;
    let pictures = [
        ("start.png", fit.start.to_rgb8()),
        ("recovered.png", fit.recovered.to_rgb8()),
        ("before-after.png", sheet::draw(columns, SHEET_SCALE)),
        ("ssim-map.png", map_of(&fit.recovered)?.figure(&format!("SSIM map, mean {last_ssim:.4}"))),
        ("convergence.png", draw_history(options, &fit.history)),
    ];
    let mut written = Vec::new();
    for (name, picture) in pictures {
        let path = options.out.join(name);
        picture::save(&picture, &path)?;
        written.push(path);
    }
    Ok(written)
}

fn draw_history(options: &FitOptions, history: &[Sample]) -> RgbImage {
    let ssim: Vec<f32> = history.iter().map(|sample| sample.ssim).collect();
    let loss: Vec<f32> = history.iter().map(|sample| sample.loss).collect();
    // The logarithm needs positive numbers; a perfect start has a loss of 0.
    let lowest = |values: &[f32]| f64::from(values.iter().copied().fold(f32::INFINITY, f32::min));
    let highest = loss.iter().copied().fold(1e-5, f32::max);
    let curves = [
        Curve {
            title: format!("SSIM: {:.4} at the end", ssim[options.iterations]),
            scale: Scale::linear(lowest(&ssim), 1.0),
            values: &ssim,
            colour: BLUE,
        },
        Curve {
            title: format!("loss, {}: {:.6} at the end", options.loss.formula(), loss[options.iterations]),
            scale: Scale::logarithmic(lowest(&loss).max(1e-6), f64::from(highest)),
            values: &loss,
            colour: RED,
        },
    ];
    chart::draw(&curves, "iteration")
}

fn summarise(options: &FitOptions, target: &Picture, fit: &Fit, written: &[PathBuf]) {
    let name = options.image.as_ref().map_or("chelsea.png (built in)".to_owned(), |path| path.display().to_string());
    let (first, last) = (fit.history[0], fit.history[options.iterations]);
    let evaluations = fit.history.len() as f64;
    println!("picture   {name}, {}", target.describe());
    println!("backend   CPU, {}, threads: {}", instruction_set(), num_threads());
    println!("loss      {}: {:.6} -> {:.6}", options.loss.formula(), first.loss, last.loss);
    println!("SSIM      {:.6} -> {:.6} in {} iterations", first.ssim, last.ssim, options.iterations);
    println!(
        "time      {:.1} ms per iteration, {:.1} s in all",
        1e3 * fit.elapsed.as_secs_f64() / evaluations,
        fit.elapsed.as_secs_f64()
    );
    for (index, path) in written.iter().enumerate() {
        println!("{}{}", if index == 0 { "written   " } else { "          " }, path.display());
    }
}
