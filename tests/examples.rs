//! Runs the examples as a user does, `cargo run --example ...`, on the bundled photographs. Not with `--release` but as
//! tests are compiled, because their dependencies have been: the image decoders take a minute.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbImage;

/// A folder for one test, empty at its start.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("the folder of an earlier run can be removed");
    }
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    folder
}

fn run(example: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["run", "--profile", "test", "--locked", "--quiet", "--example", example, "--"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs")
}

/// What a successful run printed.
fn printed(example: &str, arguments: &[&str]) -> String {
    let output = run(example, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} {arguments:?}: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

/// What a run that must fail with `status` wrote to its error stream.
fn refused(example: &str, arguments: &[&str], status: i32) -> String {
    let output = run(example, arguments);
    let errors = String::from_utf8(output.stderr).expect("the output is UTF-8");
    assert_eq!(output.status.code(), Some(status), "{example} {arguments:?}: {errors}");
    errors
}

/// The words of the line that begins with `name`, after it.
fn line<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no line '{name}' in:\n{text}")).split_whitespace().collect()
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("'{word}' is not a number"))
}

fn open(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the target folder has a plain name")
}

#[test]
fn fit_recovers_the_photograph_from_noise() {
    let out = folder("fit-noise");
    let output = printed("fit", &["--out", text(&out)]);
    let ssim = line(&output, "SSIM");
    assert!(number(ssim[0]) < 0.1, "the start is not noise: {ssim:?}");
    assert!(number(ssim[2]) > 0.99, "the photograph was not recovered: {ssim:?}");

    let original = open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/images/chelsea.png"));
    for name in ["start.png", "recovered.png"] {
        assert_eq!(open(&out.join(name)).dimensions(), original.dimensions(), "{name}");
    }
    for name in ["before-after.png", "ssim-map.png", "convergence.png"] {
        assert!(output.contains(text(&out.join(name))), "the summary does not name {name}");
        let (width, height) = open(&out.join(name)).dimensions();
        assert!(width > original.width() && height > original.height(), "{name} is {width} x {height}");
    }
    // Apart from the program's own word: the written picture looks like the photograph.
    let recovered = open(&out.join("recovered.png"));
    let differences = original.as_raw().iter().zip(recovered.as_raw()).map(|(&a, &b)| f64::from(a.abs_diff(b)));
    let mean = differences.sum::<f64>() / original.as_raw().len() as f64;
    assert!(mean < 5.0, "the pixels differ by {mean} of 255 on average");
}

#[test]
fn fit_takes_another_picture_start_and_loss() {
    let out = folder("fit-options").join("made/by/fit");
    let arguments = ["--image", "examples/images/coffee.jpg", "--size", "96", "--start", "blur", "--loss", "l1-ssim"];
    let output = printed("fit", &[&arguments[..], &["--iterations", "40", "--out", text(&out)]].concat());
    assert_eq!(line(&output, "picture"), ["examples/images/coffee.jpg,", "96", "x", "64,", "RGB"]);
    let (ssim, loss) = (line(&output, "SSIM"), line(&output, "loss"));
    assert!((0.1..0.95).contains(&number(ssim[0])), "the start is not a blurred picture: {ssim:?}");
    assert!(number(ssim[2]) > 0.97, "{ssim:?}");
    let (first, last) = (number(loss[loss.len() - 3]), number(loss[loss.len() - 1]));
    assert!(last < 0.2 * first, "{loss:?}");
    assert_eq!(open(&out.join("recovered.png")).dimensions(), (96, 64));
}

#[test]
fn fit_is_repeatable_and_depends_on_the_seed() {
    let picture = |folder_name: &str, seed: &str| {
        let out = folder(folder_name);
        printed("fit", &["--size", "48", "--iterations", "15", "--seed", seed, "--out", text(&out)]);
        open(&out.join("recovered.png"))
    };
    let first = picture("fit-seed-a", "7");
    assert!(first == picture("fit-seed-b", "7"), "the same seed gave another picture");
    assert!(first != picture("fit-seed-c", "8"), "another seed gave the same picture");
}

#[test]
fn fit_explains_what_it_cannot_do() {
    assert!(printed("fit", &["--help"]).contains("--learning-rate"));
    for (arguments, part) in [
        (&["--iterations", "0"][..], "--iterations is '0'"),
        (&["--start", "dark"], "'noise' or 'blur'"),
        (&["--bogus"], "--bogus"),
    ] {
        assert!(refused("fit", arguments, 2).contains(part), "{arguments:?}");
    }
    assert!(refused("fit", &["--image", "no-such.png"], 1).contains("no-such.png"));
    assert!(refused("fit", &["--image", "Cargo.toml"], 1).contains("not a PNG, JPEG or PNM picture"));
    assert!(refused("fit", &["--out", "Cargo.toml"], 1).contains("cannot make the folder Cargo.toml"));
}

#[test]
fn compare_measures_a_compressed_photograph() {
    let map = folder("compare").join("map.png");
    let files = ["examples/images/chelsea.png", "examples/images/chelsea-q8.jpg"];
    let output = printed("compare", &[&files[..], &["--per-channel", "--out", text(&map)]].concat());
    let mean = number(line(&output, "SSIM")[0]);
    let channels = ["red", "green", "blue"].map(|name| number(line(&output, name)[0]));
    assert!((channels.iter().sum::<f64>() / 3.0 - mean).abs() < 2e-6, "{channels:?} {mean}");
    assert!(mean > 0.73 && mean < 0.74, "{mean}");
    let (width, height) = open(&map).dimensions();
    assert!(width > 451 && height > 300, "{width} x {height}");

    let valid = printed("compare", &[&files[..], &["--padding", "valid"]].concat());
    // scikit-image 0.25.2 in float64 finds 0.720226; its JPEG decoder rounds some pixels otherwise.
    assert!((number(line(&valid, "SSIM")[0]) - 0.720226).abs() < 1e-4, "{valid}");
    assert!((number(line(&valid, "PSNR")[0]) - 27.32).abs() < 0.02, "{valid}");
}

#[test]
fn compare_finds_equal_pictures_equal() {
    let output = printed("compare", &["examples/images/coffee.jpg", "examples/images/coffee.jpg"]);
    assert_eq!(line(&output, "SSIM"), ["1.000000"]);
    assert_eq!(line(&output, "PSNR"), ["inf", "dB"]);
}

#[test]
fn compare_explains_what_it_cannot_do() {
    assert!(printed("compare", &["--help"]).contains("--per-channel"));
    let cat = "examples/images/chelsea.png";
    for arguments in [&[cat][..], &[cat, cat, cat], &[cat, cat, "--padding", "none"], &[cat, cat, "--bogus"]] {
        assert!(refused("compare", arguments, 2).contains("Try --help"), "{arguments:?}");
    }
    assert!(refused("compare", &[cat, "no-such.png"], 1).contains("no-such.png"));
    assert!(refused("compare", &[cat, "Cargo.toml"], 1).contains("Cargo.toml: not a PNG"));
    let sizes = refused("compare", &[cat, "examples/images/coffee.jpg"], 1);
    assert!(sizes.contains("same size") && sizes.contains("451 x 300") && sizes.contains("512 x 341"), "{sizes}");

    let tiny = folder("compare-tiny").join("tiny.png");
    RgbImage::new(8, 8).save(&tiny).expect("the folder is writable");
    let message = refused("compare", &[text(&tiny), text(&tiny), "--padding", "valid"], 1);
    assert!(message.contains("valid padding"), "{message}");
    let unwritable = refused("compare", &[text(&tiny), text(&tiny), "--out", "no-such-folder/map.png"], 1);
    assert!(unwritable.contains("cannot write no-such-folder/map.png"), "{unwritable}");
}
