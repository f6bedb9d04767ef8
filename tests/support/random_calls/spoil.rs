//! Changes to a valid call that make most of them one to refuse.

use std::ffi::c_void;
use std::ptr;

use super::arguments::{Arguments, Given};
use super::{Choices, World};
use crate::capi::{fssim_layout, fssim_options};

const INTEGERS: &[i64] = &[
    0,
    -1,
    1,
    2,
    3,
    4,
    5,
    10,
    11,
    12,
    33,
    77,
    1 << 15,
    1 << 16,
    (1 << 31) - 4097,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) + 3,
    1 << 40,
    1 << 58,
    1 << 62,
    i64::MAX / 64,
    i64::MAX / 2 + 1,
    i64::MAX - 1,
    i64::MAX,
    i64::MIN,
    i64::MIN + 1,
];

const NUMBERS: &[f64] = &[
    0.0,
    -0.0,
    -1.0,
    1.0,
    0.5,
    3.0,
    5e-324,
    1e-310,
    1e-45,
    1.2e-38,
    1e-30,
    1e-19,
    1e-6,
    255.0,
    1e15,
    1e19,
    3.5e38,
    1e300,
    f64::MAX,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

pub fn any_i32(choices: &mut Choices) -> i32 {
    choices.of(&[-1, 0, 1, 2, 3, 4, 5, 7, 30, 51, 77, 90, 1 << 16, i32::MAX, i32::MIN])
}

pub fn any_struct_size(choices: &mut Choices) -> usize {
    let right = size_of::<fssim_options>();
    choices.of(&[right, 0, 1, 7, 8, right - 1, right - 8, right + 1, right + 8, 1 << 40, usize::MAX])
}

/// An address beside a valid one: nowhere, misaligned, inside another argument, or at the end of all addresses.
fn address<W: World>(choices: &mut Choices, arguments: &Arguments, world: &W, valid: usize) -> usize {
    let others = [
        arguments.img1,
        arguments.img2,
        arguments.ssim,
        arguments.saved,
        arguments.grad_ssim,
        arguments.grad_img1,
        arguments.grad_img2,
        arguments.options.mask.addr(),
    ];
    match choices.below(6) {
        0 => 0,
        1 => valid.wrapping_add(choices.between(1, 15)),
        2 => choices.of(&others),
        3 => choices.of(&others).wrapping_add(choices.of(&[4, 8, 16, 100, 1024])),
        4 => usize::MAX - choices.below(300),
        _ => world.foreign().unwrap_or(valid),
    }
}

fn layout(choices: &mut Choices, layout: &mut fssim_layout) {
    match choices.below(6) {
        0 => layout.dtype = any_i32(choices),
        1 => layout.reserved = any_i32(choices),
        2 => layout.scale = choices.of(NUMBERS),
        _ => layout.strides[choices.below(4)] = choices.of(INTEGERS),
    }
}

pub fn one_thing<W: World>(choices: &mut Choices, arguments: &mut Arguments, world: &W) {
    match choices.below(24) {
        0..4 => arguments.shape[choices.below(4)] = choices.of(INTEGERS),
        4..9 => {
            let options = &mut arguments.options;
            let which = choices.below(5);
            let all = [&mut options.img1, &mut options.img2, &mut options.grad_img1, &mut options.grad_img2];
            match all.into_iter().nth(which) {
                Some(one) => layout(choices, one),
                None => layout(choices, &mut options.mask_layout),
            }
        }
        9..12 => {
            let value = any_i32(choices);
            let options = &mut arguments.options;
            *choices.of_mut([
                &mut options.device,
                &mut options.padding,
                &mut options.reduction,
                &mut options.output,
                &mut options.window,
                &mut options.window_size,
                &mut options.saved_for,
                &mut options.mask_mode,
                &mut arguments.pixel_loss,
            ]) = value;
        }
        12..14 => {
            let value = choices.of(NUMBERS);
            let options = &mut arguments.options;
            *choices.of_mut([
                &mut options.sigma,
                &mut options.data_range,
                &mut options.k1,
                &mut options.k2,
                &mut options.shard_divisor,
                &mut arguments.lambda,
            ]) = value;
        }
        14..16 => {
            let value = choices.of(INTEGERS);
            let options = &mut arguments.options;
            *choices.of_mut([
                &mut options.shard_rows_above,
                &mut options.shard_rows_below,
                &mut options.shard_height,
            ]) = value;
        }
        16 => arguments.options.struct_size = any_struct_size(choices),
        17 => arguments.given = choices.of(&[Given::Null, Given::Misaligned]),
        18 => {
            let mask = address(choices, arguments, world, arguments.options.mask.addr());
            arguments.options.mask = ptr::with_exposed_provenance(mask);
        }
        19 if W::CUDA => {
            let (valid, bytes) = (arguments.workspace, arguments.workspace_bytes);
            arguments.workspace_bytes = choices.of(&[0, 1, bytes.saturating_sub(1), bytes]);
            if choices.one_in(2) {
                arguments.workspace = choices.of(&[0, valid + 4, arguments.img1, world.foreign().unwrap_or(0)]);
            }
        }
        // On the CPU neither is looked at, but that there is no stream.
        19 => {
            arguments.workspace = choices.of(&[0, 1, usize::MAX]);
            let anything = arguments.img1 + 1;
            arguments.stream = choices.of(&[ptr::null_mut(), ptr::without_provenance_mut::<c_void>(anything)]);
        }
        _ => {
            let which = choices.below(7);
            let valid = *arguments.pointers()[which];
            let spoilt = address(choices, arguments, world, valid);
            *arguments.pointers()[which] = spoilt;
        }
    }
}
