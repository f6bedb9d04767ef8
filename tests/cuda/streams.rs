//! Streams, graphs, threads and devices: when the work runs, where, and that it leaves nothing changed.

use std::ptr;

use crate::capi::{self, expect_ok};
use crate::case::{Case, Mode, Session};
use crate::device::{Floats, Gpu, HostFloats, OwnContext, Stream, clear_current_context, current_context, is_emulated};
use crate::elements::Elements;
use crate::support::oracle::Reduction;
use crate::support::{Kind, Random, Size};

fn frame() -> Size {
    if is_emulated() { [1, 2, 41, 130] } else { [2, 3, 480, 640] }
}

#[test]
fn calls_only_enqueue_in_stream_order() {
    let Some(_gpu) = Gpu::first("cuda::streams::calls_only_enqueue_in_stream_order") else { return };
    let session = Session::new(Case::new(Kind::Photo, frame()));
    let want = session.value_and_grad(Mode::Synchronous, [true, false]);
    let images = session.case.images();
    // The images arrive on one stream, the work is on a second, the results leave on a third. Nobody waits in between.
    let (upload, work, download) = (Stream::new(), Stream::new(), Stream::new());
    let (ssim, grad) = (session.values(), session.gradient(0));
    let (mut got_ssim, mut got_grad) = (vec![0.0; ssim.len()], vec![0.0; grad.words.len()]);
    session.images.iter().for_each(|image| image.words.poison());
    session.images[0].words.write_on(&upload, &images[0]);
    session.images[1].words.write_on(&upload, &images[1]);
    work.wait_for(&upload);
    session.enqueue_value_and_grad(&ssim, &grad, &work);
    download.wait_for(&work);
    ssim.read_on(&download, &mut got_ssim);
    grad.words.read_on(&download, &mut got_grad);
    download.synchronize();
    assert_eq!(got_ssim, want.ssim);
    assert_eq!(Some(got_grad), want.grads[0]);
}

#[test]
fn default_streams_work_with_any_current_context() {
    let Some(gpu) = Gpu::first("cuda::streams::default_streams_work_with_any_current_context") else { return };
    let session = Session::new(Case::new(Kind::Noise, [1, 1, 30, 50]));
    let want = session.value_and_grad(Mode::Synchronous, [true, true]);
    for handle in [0, 1, 2] {
        let got = session.value_and_grad(Mode::Default(handle), [true, true]);
        assert_eq!(got.bits(), want.bits(), "default stream {handle}");
    }
    gpu.make_current();
}

#[test]
fn the_current_context_is_left_as_it_was() {
    let Some(gpu) = Gpu::first("cuda::streams::the_current_context_is_left_as_it_was") else { return };
    let session = Session::new(Case::new(Kind::Noise, [1, 1, 20, 30]));
    let outputs = Outputs::new(&session);
    outputs.check_that_context_is_kept(&session);
    clear_current_context();
    outputs.check_that_context_is_kept(&session);
    gpu.make_current();
}

/// What the calls of a session write, made while its device's context is current.
struct Outputs {
    ssim: Floats,
    grad: Elements,
    stream: Stream,
}

impl Outputs {
    fn new(session: &Session) -> Self {
        Outputs { ssim: session.values(), grad: session.gradient(0), stream: Stream::new() }
    }

    /// Makes a call of each form and checks that the current context, if there is one, stays what it was.
    #[track_caller]
    fn check_that_context_is_kept(&self, session: &Session) {
        let [n, c, h, w] = session.shape();
        let [img1, img2] = session.images.each_ref().map(|image| image.address().cast_const());
        let (workspace, bytes) = session.workspace();
        let (options, ssim, none) = (&session.options, self.ssim.floats(), ptr::null_mut());
        let before = current_context();
        session.enqueue_value_and_grad(&self.ssim, &self.grad, &self.stream);
        assert_eq!(current_context(), before, "a call on a stream changed the current context");
        self.stream.synchronize();
        // SAFETY: device memory of the right sizes. The synchronous call waits for the one before, which is on the same
        // stream.
        unsafe {
            expect_ok(capi::fssim_forward_stream(img1, img2, n, c, h, w, options, ssim, none, workspace, bytes, none));
            assert_eq!(current_context(), before, "a call on the NULL stream changed the current context");
            expect_ok(capi::fssim_forward(img1, img2, n, c, h, w, options, ssim, none));
            assert_eq!(current_context(), before, "a synchronous call changed the current context");
        }
    }
}

#[test]
fn a_context_of_the_callers_own_is_used() {
    let Some(gpu) = Gpu::first("cuda::streams::a_context_of_the_callers_own_is_used") else { return };
    let case = Case::new(Kind::Noise, [1, 1, 20, 30]);
    let want = Session::new(case).value_and_grad(Mode::Synchronous, [true, true]);
    let own = OwnContext::new(gpu);
    {
        let (session, stream) = (Session::new(case), Stream::new());
        for mode in [Mode::Synchronous, Mode::On(&stream), Mode::Default(0)] {
            assert_eq!(session.value_and_grad(mode, [true, true]).bits(), want.bits());
        }
    }
    drop(own);
    gpu.make_current();
}

#[test]
fn a_captured_graph_follows_its_inputs() {
    let Some(gpu) = Gpu::first("cuda::streams::a_captured_graph_follows_its_inputs") else { return };
    assert_eq!(capi::preload(gpu.ordinal), capi::OK, "{}", capi::last_error());
    let session = Session::new(Case::new(Kind::Photo, frame()));
    let [n, c, h, w] = session.shape();
    let [img1, img2] = session.images.each_ref().map(|image| image.address().cast_const());
    let (workspace, bytes) = session.workspace();
    let (ssim, grad, from_saved) = (session.values(), session.gradient(0), session.gradient(1));
    let saved = Floats::poisoned(capi::saved_bytes(session.shape(), &session.options) / 4);
    let stream = Stream::new();
    let graph = stream.capture(|| {
        session.enqueue_value_and_grad(&ssim, &grad, &stream);
        // SAFETY: device memory of the right sizes that outlives the graph.
        unsafe {
            let options = &session.options;
            expect_ok(capi::fssim_forward_stream(
                img1,
                img2,
                n,
                c,
                h,
                w,
                options,
                ssim.floats(),
                saved.address(),
                workspace,
                bytes,
                stream.handle(),
            ));
            expect_ok(capi::fssim_backward_stream(
                img1,
                img2,
                n,
                c,
                h,
                w,
                options,
                saved.address(),
                ptr::null(),
                ptr::null_mut(),
                from_saved.address(),
                workspace,
                bytes,
                stream.handle(),
            ));
        }
    });
    let mut random = Random::new(7);
    for _ in 0..3 {
        let other: [Vec<f32>; 2] =
            session.case.images().map(|image| image.iter().map(|pixel| pixel * random.unit()).collect());
        session.replace_images(&other);
        [&ssim, &grad.words, &from_saved.words, &saved].into_iter().for_each(Floats::poison);
        graph.replay(&stream);
        let got = [ssim.read(), session.read_gradient(0, &grad), session.read_gradient(1, &from_saved)];
        let (value, kept) = session.forward_saving(Mode::Synchronous);
        let [_, second] = session.backward(Mode::Synchronous, Some(&kept), [false, true]);
        let [first, _] = session.value_and_grad(Mode::Synchronous, [true, false]).grads;
        assert_eq!(Some(&got[0]), Some(&value));
        assert_eq!((Some(&got[1]), Some(&got[2])), (first.as_ref(), second.as_ref()));
    }
}

#[test]
fn threads_with_streams_of_their_own() {
    let Some(gpu) = Gpu::first("cuda::streams::threads_with_streams_of_their_own") else { return };
    let rounds = if is_emulated() { 2 } else { 20 };
    std::thread::scope(|scope| {
        for thread in 0..16 {
            scope.spawn(move || {
                gpu.make_current();
                let session = Session::new(Case::new(Kind::Noise, [1, 2, 24 + thread, 60]));
                let stream = Stream::new();
                let want = session.value_and_grad(Mode::Synchronous, [true, true]);
                for _ in 0..rounds {
                    let got = session.value_and_grad(Mode::On(&stream), [true, true]);
                    assert_eq!(got.bits(), want.bits(), "thread {thread}");
                }
                session.check(Mode::On(&stream));
            });
        }
    });
}

#[test]
fn the_same_bits_on_every_call() {
    let Some(_gpu) = Gpu::first("cuda::streams::the_same_bits_on_every_call") else { return };
    for reduction in [Reduction::Mean, Reduction::PerChannel, Reduction::Map] {
        let mut case = Case::new(Kind::Photo, frame());
        case.oracle.reduction = reduction;
        let session = Session::new(case);
        let streams = [Stream::new(), Stream::new()];
        let run = |mode| {
            let (_, saved) = session.forward_saving(mode);
            (session.value_and_grad(mode, [true, true]).bits(), session.backward(mode, Some(&saved), [true, true]))
        };
        let first = run(Mode::Synchronous);
        for round in 0..10 {
            assert_eq!(run(Mode::On(&streams[round % 2])), first, "{reduction:?}, call {round}");
        }
    }
}

#[test]
fn every_device_gives_the_oracles_answer() {
    let Some(gpus) = Gpu::all("cuda::streams::every_device_gives_the_oracles_answer", 2) else { return };
    let case = Case::new(Kind::Photo, [1, 3, 50, 70]);
    for &gpu in &gpus {
        gpu.make_current();
        let session = Session::new(case);
        let outputs = Outputs::new(&session);
        session.check(Mode::On(&outputs.stream));
        let want = session.forward(Mode::Synchronous);
        // With another device's context current, the call must find the right one and leave the other in place.
        outputs.ssim.poison();
        gpus[(gpu.ordinal as usize + 1) % gpus.len()].make_current();
        outputs.check_that_context_is_kept(&session);
        gpu.make_current();
        assert_eq!(outputs.ssim.read(), want);
    }
    gpus[0].make_current();
}

#[test]
fn managed_memory_goes_with_the_others() {
    let Some(_gpu) = Gpu::first("cuda::streams::managed_memory_goes_with_the_others") else { return };
    let session = Session::new(Case::new(Kind::Noise, [1, 1, 20, 30]));
    let want = session.forward(Mode::Synchronous);
    let images = session.case.images();
    let [n, c, h, w] = session.shape();
    let managed = HostFloats::managed(&images[0]);
    let other = HostFloats::managed(&images[1]);
    let ssim = session.values();
    let in_managed = HostFloats::managed(&[f32::NAN]);
    let options = capi::fssim_options { device: 0, ..session.options };
    // SAFETY: memory of the right sizes that a device can use.
    unsafe {
        let (device_image, pinned) = (session.images[1].address(), HostFloats::pinned(&images[1]));
        let run =
            |img2, ssim| capi::fssim_forward(managed.address(), img2, n, c, h, w, &options, ssim, ptr::null_mut());
        expect_ok(run(device_image, ssim.floats()));
        assert_eq!(ssim.read(), want, "managed and device memory");
        expect_ok(run(other.address(), in_managed.address().cast()));
        assert_eq!(in_managed.read(), want, "managed memory alone");
        assert_eq!(run(pinned.address(), ssim.floats()), capi::ERROR_DEVICE, "pinned host memory and device memory");
    }
}
