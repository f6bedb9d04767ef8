//! Compares two picture files: SSIM, PSNR, and the SSIM map as a heat map.
//!
//!     cargo run --release --example compare -- A.png B.png --out map.png
//!
//! What it shows of the library: `forward` with its reductions and both paddings.

use std::path::PathBuf;
use std::process::ExitCode;

use fused_ssim::{Error, Options, Padding, Problem, Reduction, forward};
use lexopt::prelude::*;

use support::heat_map::SsimMap;
use support::picture::{self, Picture};

#[allow(dead_code, reason = "the same files serve fit, which uses all of them")]
mod support {
    pub mod canvas;
    pub mod color_map;
    pub mod heat_map;
    pub mod picture;
    pub mod ticks;
}

const HELP: &str = "\
Compares two pictures of the same size: SSIM, PSNR, and the SSIM map as a heat map.

Usage: cargo run --release --example compare -- A B [options]

  A, B                  the pictures: PNG, JPEG or PNM
  --out FILE            where the map goes: .png, .jpg or .ppm (default: no map)
  --padding same|valid  zeros around the pictures, or only pixels whose window lies inside (default same)
  --per-channel         also print the SSIM of each channel
  --help                this text

SSIM is the mean over the pixels of all channels. An alpha channel is ignored.
";

#[derive(Debug, PartialEq)]
struct CompareOptions {
    files: [PathBuf; 2],
    out: Option<PathBuf>,
    padding: Padding,
    per_channel: bool,
}

fn main() -> ExitCode {
    let options = match parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("compare: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("compare: {message}");
            ExitCode::FAILURE
        }
    }
}

/// None: help is asked for.
fn parse(mut arguments: lexopt::Parser) -> Result<Option<CompareOptions>, lexopt::Error> {
    let (mut files, mut out, mut padding, mut per_channel) = (Vec::new(), None, Padding::Same, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(file) => files.push(PathBuf::from(file)),
            Long("out") => out = Some(arguments.value()?.into()),
            Long("padding") => {
                padding = match arguments.value()?.string()?.as_str() {
                    "same" => Padding::Same,
                    "valid" => Padding::Valid,
                    other => return Err(format!("--padding is '{other}'; it must be 'same' or 'valid'").into()),
                }
            }
            Long("per-channel") => per_channel = true,
            Long("help") | Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    let files =
        <[PathBuf; 2]>::try_from(files).map_err(|files| format!("two pictures are needed, {} given", files.len()))?;
    Ok(Some(CompareOptions { files, out, padding, per_channel }))
}

fn run(options: &CompareOptions) -> Result<(), String> {
    let [a, b] = load_pair(&options.files)?;
    let ssim = |reduction| reduced_ssim(&a, &b, options.padding, reduction).map_err(|error| error.to_string());
    let mean = ssim(Reduction::Mean)?[0];
    println!("pictures  {}", a.describe());
    println!("SSIM      {mean:.6}");
    if options.per_channel {
        let names: &[&str] = if a.channels == 3 { &["red", "green", "blue"] } else { &["grey"] };
        for (name, value) in names.iter().zip(ssim(Reduction::PerChannel)?) {
            println!("  {name:7} {value:.6}");
        }
    }
    println!("PSNR      {:.2} dB", psnr(&a, &b));
    if let Some(path) = &options.out {
        let map = SsimMap::compute(&a, &b, options.padding).map_err(|error| error.to_string())?;
        picture::save(&map.figure(&format!("SSIM map, mean {mean:.4}")), path)?;
        println!("map       {}", path.display());
    }
    Ok(())
}

/// Loads both files with the same number of channels.
fn load_pair(files: &[PathBuf; 2]) -> Result<[Picture; 2], String> {
    let images = [picture::load(&files[0])?, picture::load(&files[1])?];
    if (images[0].width(), images[0].height()) != (images[1].width(), images[1].height()) {
        let size = |at: usize| format!("{} is {} x {}", files[at].display(), images[at].width(), images[at].height());
        return Err(format!("the pictures must have the same size: {}, {}", size(0), size(1)));
    }
    // A grey picture is compared with a coloured one as a coloured one.
    if images[0].color().has_color() == images[1].color().has_color() {
        return Ok(images.map(|image| Picture::from_image(&image)));
    }
    Ok(images.map(|image| Picture::from_image(&image.to_rgb32f().into())))
}

fn reduced_ssim(a: &Picture, b: &Picture, padding: Padding, reduction: Reduction) -> Result<Vec<f32>, Error> {
    let problem = Problem::new(a.shape()?, &Options { padding, reduction, ..Options::default() })?;
    let mut ssim = vec![0.0; problem.values()];
    forward(&problem, &a.data, &b.data, &mut ssim, None)?;
    Ok(ssim)
}

/// Peak signal-to-noise ratio over all pixels and channels, in dB for a peak of 1; infinite for equal pictures.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let squares = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b).powi(2));
    -10.0 * (squares.sum::<f64>() / a.data.len() as f64).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<CompareOptions>, String> {
        parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_read() {
        let expected = CompareOptions {
            files: ["a.png".into(), "b.jpg".into()],
            out: Some("m.png".into()),
            padding: Padding::Valid,
            per_channel: true,
        };
        assert_eq!(parsed("a.png --out m.png --padding valid b.jpg --per-channel"), Ok(Some(expected)));
        assert_eq!(parsed("--help"), Ok(None));
    }

    #[test]
    fn bad_arguments_are_named() {
        for (line, part) in [
            ("", "two pictures are needed, 0 given"),
            ("a b c", "two pictures are needed, 3 given"),
            ("a b --padding full", "--padding is 'full'"),
            ("a b --map", "--map"),
        ] {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }

    #[test]
    fn psnr_of_a_known_difference() {
        let picture = |value| Picture { channels: 1, height: 2, width: 3, data: vec![value; 6] };
        assert!((psnr(&picture(0.5), &picture(0.4)) - 20.0).abs() < 1e-5);
        assert_eq!(psnr(&picture(0.5), &picture(0.5)), f64::INFINITY);
    }
}
