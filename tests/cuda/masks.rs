//! Masks, row sharding and losses on device memory; tests/support has the cases.

use std::ptr;

use crate::capi::{self, expect_ok, fssim_options};
use crate::device::{Floats, Gpu, Stream};
use crate::loss_calls;
use crate::masked::{self, Backend, Call, Function, Outcome, Weights, with_mask};
use crate::shards;
use crate::support::oracle::Window;

/// Calls the `_stream` forms, with a workspace of exactly the size that is asked for.
struct Cuda {
    stream: Stream,
}

/// Bytes in device memory, padded to whole floats.
fn bytes(weights: &[u8]) -> Floats {
    let words = weights.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        f32::from_ne_bytes(word)
    });
    Floats::of(&words.collect::<Vec<f32>>())
}

impl Backend for Cuda {
    const MAP_TOLERANCE: f64 = 5e-6;
    const CONSTANT_GRADIENT_TOLERANCE: f64 = 1e-3;
    const CUT_TOLERANCE: f64 = 1e-6;

    fn run(&self, call: Call<'_>) -> Outcome {
        let [n, c, h, w] = call.size.map(|size| size as i64);
        let mask = match call.weights {
            Weights::None => Floats::poisoned(0),
            Weights::Floats(weights) => Floats::of(weights),
            Weights::Bytes(weights) => bytes(weights),
        };
        let options = &fssim_options { device: capi::DEVICE_CUDA, ..with_mask(&call.options, mask.address()) };
        let images = call.images.map(Floats::of);
        let [x, y] = images.each_ref().map(|image| image.address().cast_const());
        let upstream = if let Function::Backward(upstream) = call.function { upstream } else { &[] };
        let upstream = Floats::of(upstream);
        let values = Floats::poisoned(if matches!(call.function, Function::Backward(_)) { 0 } else { call.values });
        let grads = [Floats::poisoned(call.pixels), Floats::poisoned(call.pixels)];
        let [first, second] = grads.each_ref().map(Floats::address);
        let size = capi::workspace_bytes([n, c, h, w], options);
        let memory = Floats::poisoned(size.div_ceil(4));
        let (out, workspace, stream) = (values.floats(), memory.address(), self.stream.handle());
        // SAFETY: device memory of the sizes that the shape and the options ask for, which lives until the stream has been
        // waited for.
        expect_ok(unsafe {
            match call.function {
                Function::ValueAndGrad => capi::fssim_value_and_grad_stream(
                    x, y, n, c, h, w, options, out, first, second, workspace, size, stream,
                ),
                Function::Backward(_) => {
                    let (saved, upstream) = (ptr::null(), upstream.floats().cast_const());
                    capi::fssim_backward_stream(
                        x, y, n, c, h, w, options, saved, upstream, first, second, workspace, size, stream,
                    )
                }
                Function::Loss(pixel, lambda) => capi::fssim_loss_stream(
                    x, y, n, c, h, w, options, pixel, lambda, out, first, second, workspace, size, stream,
                ),
            }
        });
        self.stream.synchronize();
        // Reading checks the guards around the memory.
        memory.read();
        Outcome { values: values.read(), grads: grads.map(|grad| grad.read()) }
    }
}

/// The device, or None after saying that the test is skipped.
fn cuda(test: &str) -> Option<Cuda> {
    Gpu::first(&format!("cuda::masks::{test}")).map(|_| Cuda { stream: Stream::new() })
}

#[test]
fn of_every_mode_reduction_and_padding() {
    let Some(cuda) = cuda("of_every_mode_reduction_and_padding") else { return };
    masked::every_mode_reduction_and_padding(&cuda, &[Window::Gaussian(11), Window::Uniform(7)]);
}

#[test]
fn weight_the_pixels_of_a_loss_as_well() {
    let Some(cuda) = cuda("weight_the_pixels_of_a_loss_as_well") else { return };
    masked::pixels_of_a_masked_loss(&cuda);
}

#[test]
fn losses_have_every_form() {
    let Some(cuda) = cuda("losses_have_every_form") else { return };
    loss_calls::losses(&cuda);
}

#[test]
fn losses_of_small_differences_and_of_parts() {
    let Some(cuda) = cuda("losses_of_small_differences_and_of_parts") else { return };
    loss_calls::the_absolute_value_has_the_sign_of_the_smallest_difference(&cuda);
    loss_calls::a_part_of_no_weight_adds_nothing(&cuda);
}

#[test]
fn of_bytes_and_of_one_channel_for_all() {
    let Some(cuda) = cuda("of_bytes_and_of_one_channel_for_all") else { return };
    masked::bytes_and_one_channel_for_all(&cuda);
    masked::wide_masks(&cuda);
    masked::large_masks(&cuda);
}

#[test]
fn of_zeros_compare_nothing() {
    let Some(cuda) = cuda("of_zeros_compare_nothing") else { return };
    masked::zeros_compare_nothing(&cuda);
}

#[test]
fn hide_what_they_cover() {
    let Some(cuda) = cuda("hide_what_they_cover") else { return };
    masked::what_is_masked_has_no_influence(&cuda);
    masked::windows_of_weight_zero_do_not_count(&cuda);
}

#[test]
fn shards_add_up_to_the_whole() {
    let Some(cuda) = cuda("shards_add_up_to_the_whole") else { return };
    shards::add_up_to_the_whole(&cuda, 2);
    shards::of_a_mask_add_up_to_the_whole(&cuda);
    shards::have_the_map_of_their_own_rows(&cuda);
}
