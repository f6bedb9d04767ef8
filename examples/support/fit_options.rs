//! The command line of `fit`.

use std::path::PathBuf;

use lexopt::prelude::*;

use super::loss::Loss;

pub const HELP: &str = "\
Starts from noise (or a blurred picture) and recovers a photograph by gradient descent on SSIM.

Usage: cargo run --release --example fit -- [options]

  --image FILE         the picture to recover: PNG, JPEG or PNM (default: a photograph of a cat)
  --size N             reduce the picture to N pixels on its longer side, 16 to 4096 (default 512)
  --start noise|blur   where to start: random pixels, or the picture blurred (default noise)
  --loss ssim|l1-ssim  1 - SSIM, or 0.8 L1 + 0.2 (1 - SSIM) (default ssim)
  --iterations N       steps of Adam, 1 to 100000 (default 200)
  --learning-rate X    length of the first steps, pixels being 0 to 1 (default 0.05)
  --seed N             of the noise (default 1)
  --out DIR            where the pictures go; made if missing (default out)
  --help               this text

An alpha channel is ignored.
";

/// Where the fit starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    Noise,
    Blur,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// None: the picture inside the program.
    pub image: Option<PathBuf>,
    pub size: u32,
    pub start: Start,
    pub loss: Loss,
    pub iterations: usize,
    pub learning_rate: f32,
    pub seed: u64,
    pub out: PathBuf,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions {
            image: None,
            size: 512,
            start: Start::Noise,
            loss: Loss::Ssim,
            iterations: 200,
            learning_rate: 0.05,
            seed: 1,
            out: PathBuf::from("out"),
        }
    }
}

impl FitOptions {
    /// Reads the arguments that follow the name of the program; None: help is asked for.
    pub fn parse(mut arguments: lexopt::Parser) -> Result<Option<Self>, lexopt::Error> {
        let mut options = FitOptions::default();
        while let Some(argument) = arguments.next()? {
            match argument {
                Long("image") => options.image = Some(arguments.value()?.into()),
                Long("size") => options.size = number(&mut arguments, "--size", 16, 4096)?,
                Long("start") => {
                    options.start =
                        choice(&mut arguments, "--start", [("noise", Start::Noise), ("blur", Start::Blur)])?;
                }
                Long("loss") => {
                    options.loss = choice(&mut arguments, "--loss", [("ssim", Loss::Ssim), ("l1-ssim", Loss::L1Ssim)])?;
                }
                Long("iterations") => options.iterations = number(&mut arguments, "--iterations", 1, 100_000)?,
                Long("learning-rate") => options.learning_rate = number(&mut arguments, "--learning-rate", 1e-6, 1.0)?,
                Long("seed") => options.seed = number(&mut arguments, "--seed", 0, u64::MAX)?,
                Long("out") => options.out = arguments.value()?.into(),
                Long("help") | Short('h') => return Ok(None),
                other => return Err(other.unexpected()),
            }
        }
        Ok(Some(options))
    }
}

fn number<T>(arguments: &mut lexopt::Parser, name: &str, lowest: T, highest: T) -> Result<T, lexopt::Error>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let text = arguments.value()?.string()?;
    match text.parse::<T>() {
        Ok(value) if lowest <= value && value <= highest => Ok(value),
        _ => Err(format!("{name} is '{text}'; it must be a number from {lowest} to {highest}").into()),
    }
}

fn choice<T: Copy>(arguments: &mut lexopt::Parser, name: &str, choices: [(&str, T); 2]) -> Result<T, lexopt::Error> {
    let text = arguments.value()?.string()?;
    choices
        .iter()
        .find(|(word, _)| *word == text)
        .map(|&(_, value)| value)
        .ok_or_else(|| format!("{name} is '{text}'; it must be '{}' or '{}'", choices[0].0, choices[1].0).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<FitOptions>, String> {
        FitOptions::parse(lexopt::Parser::from_args(line.split_whitespace())).map_err(|error| error.to_string())
    }

    #[test]
    fn no_arguments_are_the_defaults_that_the_help_names() {
        let options = parse("").unwrap().unwrap();
        assert_eq!(options, FitOptions::default());
        for value in [options.size.to_string(), options.iterations.to_string(), options.learning_rate.to_string()] {
            assert!(HELP.contains(&format!("(default {value})")), "{value}");
        }
    }

    #[test]
    fn every_option_is_read() {
        let line =
            "--image a.png --size 64 --start=blur --loss l1-ssim --iterations 7 --learning-rate 0.1 --seed 9 --out x";
        let expected = FitOptions {
            image: Some("a.png".into()),
            size: 64,
            start: Start::Blur,
            loss: Loss::L1Ssim,
            iterations: 7,
            learning_rate: 0.1,
            seed: 9,
            out: "x".into(),
        };
        assert_eq!(parse(line), Ok(Some(expected)));
        assert_eq!(parse("-h"), Ok(None));
    }

    #[test]
    fn bad_arguments_are_named() {
        for (line, part) in [
            ("--iterations 0", "--iterations is '0'; it must be a number from 1 to 100000"),
            ("--learning-rate NaN", "--learning-rate is 'NaN'"),
            ("--size many", "--size is 'many'"),
            ("--start dark", "--start is 'dark'; it must be 'noise' or 'blur'"),
            ("--loss l2", "it must be 'ssim' or 'l1-ssim'"),
            ("--seed", "--seed"),
            ("--depth 3", "--depth"),
            ("cat.png", "cat.png"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
