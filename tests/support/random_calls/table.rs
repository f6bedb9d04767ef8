//! The README's table of what is supported: every phrase in it stands for calls, and those have been made and were right.

use std::collections::BTreeSet;

use super::{Arguments, Function};
use crate::capi::{self, fssim_layout};

const README: &str = include_str!("../../../README.md");

/// Whether a call is one of those that a phrase speaks of.
type Feature = fn(&Arguments) -> bool;

fn images(arguments: &Arguments) -> [&fssim_layout; 2] {
    [&arguments.options.img1, &arguments.options.img2]
}

fn wanted(arguments: &Arguments, wanted: [bool; 2]) -> bool {
    arguments.wanted() == wanted
}

fn windowed(arguments: &Arguments, window: i32, size: std::ops::RangeInclusive<i32>) -> bool {
    let options = &arguments.options;
    options.window == window && size.contains(&options.window_size)
}

fn has_sigma(arguments: &Arguments, low: f64, below: f64) -> bool {
    windowed(arguments, 0, 11..=11) && (low..below).contains(&arguments.options.sigma)
}

fn masked(arguments: &Arguments, mode: i32, dtype: i32) -> bool {
    arguments.options.mask_mode == mode && arguments.options.mask_layout.dtype == dtype
}

fn is_loss(arguments: &Arguments, pixel: i32) -> bool {
    arguments.function == Function::Loss && arguments.pixel_loss == pixel
}

fn of_backward(arguments: &Arguments, saved: bool, upstream: bool) -> bool {
    arguments.function == Function::Backward
        && (arguments.saved != 0) == saved
        && (arguments.grad_ssim != 0) == upstream
}

fn has_dtype(arguments: &Arguments, dtype: i32) -> bool {
    images(arguments).iter().any(|image| image.dtype == dtype)
}

/// Phrases of the table, with the calls that each is about.
const PHRASES: &[(&str, &[Feature])] = &[
    ("f32", &[|a| has_dtype(a, 0)]),
    ("f16", &[|a| has_dtype(a, capi::DTYPE_F16), |a| a.options.grad_img1.dtype == capi::DTYPE_F16 && a.wanted()[0]]),
    ("bf16", &[|a| has_dtype(a, capi::DTYPE_BF16), |a| a.options.grad_img2.dtype == capi::DTYPE_BF16 && a.wanted()[1]]),
    ("u8", &[|a| has_dtype(a, capi::DTYPE_U8)]),
    ("f64", &[|a| has_dtype(a, capi::DTYPE_F64)]),
    ("NCHW", &[|a| a.options.img1.strides == [0; 4]]),
    ("NHWC", &[|a| images(a).iter().any(|image| image.strides[1] == 1 && a.shape[1] > 1)]),
    ("column-major", &[|a| images(a).iter().any(|image| image.strides[2] == 1 && a.shape[2] > 1)]),
    ("crops", &[|a| images(a).iter().any(|image| image.strides[3] == 1 && image.strides[2] > a.shape[3])]),
    (
        "broadcast",
        &[|a| {
            let zero = |i: usize| a.options.img1.strides[i] == 0 && a.shape[i] > 1;
            a.options.img1.strides != [0; 4] && (0..4).any(zero)
        }],
    ),
    ("a factor applied on load", &[|a| images(a).iter().any(|image| image.scale != 0.0)]),
    ("the data range over 255", &[|a| a.options.img2.dtype == capi::DTYPE_U8 && a.options.img2.scale == 0.0]),
    ("`same`", &[|a| a.options.padding == 0]),
    ("`valid`", &[|a| a.options.padding == capi::PADDING_VALID]),
    ("reduction: mean", &[|a| a.options.reduction == 0]),
    ("per image", &[|a| a.options.reduction == capi::REDUCTION_PER_IMAGE && a.shape[0] > 1]),
    ("per channel", &[|a| a.options.reduction == capi::REDUCTION_PER_CHANNEL && a.shape[1] > 1]),
    ("map", &[|a| a.options.reduction == capi::REDUCTION_MAP]),
    ("result: SSIM", &[|a| a.options.output == 0]),
    ("1 - SSIM", &[|a| a.options.output == capi::OUTPUT_ONE_MINUS_SSIM]),
    ("(1 - SSIM) / 2", &[|a| a.options.output == capi::OUTPUT_DSSIM]),
    ("gradient of img1, img2", &[|a| wanted(a, [true, false]), |a| wanted(a, [false, true])]),
    ("or both", &[|a| wanted(a, [true, true])]),
    ("with or without an upstream gradient", &[|a| of_backward(a, false, true), |a| of_backward(a, false, false)]),
    ("from saved partials", &[|a| of_backward(a, true, true), |a| of_backward(a, true, false)]),
    ("in one pass", &[|a| a.function == Function::ValueAndGrad]),
    ("window: Gaussian, 11 taps", &[|a| windowed(a, 0, 11..=11)]),
    ("sigma of at least 1.5", &[|a| has_sigma(a, 1.5, 9.0) && a.options.sigma != 1.5]),
    ("sigma of at least 0.8", &[|a| has_sigma(a, 0.8, 1.5)]),
    ("narrower ones", &[|a| has_sigma(a, 0.0, 0.8)]),
    ("uniform, 11 taps", &[|a| windowed(a, 1, 11..=11)]),
    ("3 to 33", &[|a| windowed(a, 0, 3..=9), |a| windowed(a, 0, 13..=33)]),
    ("Gaussian or uniform", &[|a| windowed(a, 1, 3..=9), |a| windowed(a, 1, 13..=33)]),
    ("any data range", &[|a| a.options.data_range != 1.0]),
    ("k1, k2", &[|a| a.options.k1 != 0.01, |a| a.options.k2 != 0.03]),
    (
        "weighted mean",
        &[
            |a| masked(a, capi::MASK_WEIGHTED_MEAN, 0),
            |a| masked(a, capi::MASK_WEIGHTED_MEAN, capi::DTYPE_U8),
            |a| a.options.mask_mode == capi::MASK_WEIGHTED_MEAN && a.function == Function::Loss,
        ],
    ),
    (
        "multiplied inputs",
        &[|a| masked(a, capi::MASK_MULTIPLY_INPUTS, 0), |a| masked(a, capi::MASK_MULTIPLY_INPUTS, capi::DTYPE_U8)],
    ),
    (
        "normalised windows",
        &[|a| masked(a, capi::MASK_NORMALIZED, 0), |a| masked(a, capi::MASK_NORMALIZED, capi::DTYPE_U8)],
    ),
    ("L1 or L2", &[|a| is_loss(a, capi::PIXEL_L1), |a| is_loss(a, capi::PIXEL_L2)]),
    (
        "row sharding",
        &[
            |a| a.options.shard_height > 0 && a.function == Function::Forward,
            |a| a.options.shard_height > 0 && a.wanted() == [true, false],
            |a| a.options.shard_height > 0 && a.options.mask_mode != 0,
        ],
    ),
];

/// The rows of the table: what each is about, and its two cells.
fn rows() -> Vec<[&'static str; 3]> {
    let table = README.split("\nWhat is supported where;").nth(1).expect("the README has the table");
    let rows = table.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &'static str| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>();
    let is_rule = |row: &str| row.starts_with("|---");
    rows.filter(|row| !is_rule(row))
        .map(|row| <[&str; 3]>::try_from(cells(row)).unwrap_or_else(|_| panic!("the row has other columns: {row}")))
        .collect()
}

/// Which calls of the table have been made, as places in PHRASES and their features.
#[derive(Default)]
pub struct Made(BTreeSet<(usize, usize)>);

impl Made {
    /// A call that succeeded, with the right numbers.
    pub fn add(&mut self, arguments: &Arguments) {
        for (i, (_, features)) in PHRASES.iter().enumerate() {
            self.0.extend(features.iter().enumerate().filter(|(_, feature)| feature(arguments)).map(|(j, _)| (i, j)));
        }
    }

    /// Every phrase of the table stands for calls that were made, and no phrase is of no row.
    pub fn check(&self, cuda: bool) {
        let mut known = BTreeSet::new();
        let mut check_text = |text: &str| {
            let mut phrases = 0;
            for (i, (phrase, features)) in PHRASES.iter().enumerate().filter(|(_, (phrase, _))| text.contains(phrase)) {
                known.insert(i);
                phrases += 1;
                for j in 0..features.len() {
                    assert!(self.0.contains(&(i, j)), "no call was made for \"{phrase}\" ({j}) in \"{text}\"");
                }
            }
            assert!(phrases > 0, "which calls are \"{text}\"?");
        };
        let rows = rows();
        assert!(rows.len() > 10, "{rows:?}");
        let [_, on_cpu, on_cuda] = rows[0];
        assert!(on_cpu.starts_with("CPU: ") && on_cuda.starts_with("CUDA: "), "{:?}", rows[0]);
        check_text(if cuda { on_cuda } else { on_cpu });
        for [what, on_cpu, on_cuda] in &rows[1..] {
            let cell = if cuda { on_cuda } else { on_cpu };
            assert!(cell.starts_with("yes"), "what does \"{cell}\" say of \"{what}\"?");
            check_text(what);
        }
        let forgotten: Vec<_> =
            PHRASES.iter().enumerate().filter(|(i, _)| !known.contains(i)).map(|(_, (phrase, _))| phrase).collect();
        let expected: &[&str] = if cuda { &["f64"] } else { &[] };
        assert!(forgotten.iter().all(|phrase| expected.contains(phrase)), "the table says nothing of {forgotten:?}");
    }
}
