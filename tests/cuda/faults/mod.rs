//! Driver calls that fail: the documented status, a message that names the call, nothing leaked, and the next call works.
//!
//! Only the emulated driver can be made to fail, so on a GPU these tests have nothing to do.

mod every_call;
mod starts;

use std::ptr;

use crate::capi::{self, last_error};
use crate::case::{Case, Mode, Session};
use crate::device::{Floats, Gpu, Stream, clear_current_context, current_context};
use crate::emulator::Emulator;
use crate::support::Kind;

/// Codes of the driver: invalid value, out of memory, not initialised, no device, invalid context, unsupported PTX, illegal
/// address, launch failed, unknown, and one that no driver has.
const CODES: &[u32] = &[1, 2, 3, 100, 201, 222, 700, 719, 999, 123_456];

/// What is called for each attribute of a pointer if the call for all of them wants a current context.
const ASKED_ONE_BY_ONE: &str = "cuPointerGetAttribute";

/// A function of the library that computes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Forward,
    ForwardSaving,
    /// From what `ForwardSaving` leaves.
    Backward,
    ValueAndGrad,
}

const COMPUTING: [Function; 4] =
    [Function::Forward, Function::ForwardSaving, Function::Backward, Function::ValueAndGrad];

/// A way to call the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Synchronous(Function),
    OnStream(Function),
    OnNullStream(Function),
    Captured(Function),
    Preload,
    DeviceCount,
}

impl Way {
    fn all() -> Vec<Way> {
        let forms = [Way::Synchronous, Way::OnStream, Way::OnNullStream, Way::Captured];
        let mut ways: Vec<Way> = forms.iter().flat_map(|form| COMPUTING.map(form)).collect();
        ways.extend([Way::Preload, Way::DeviceCount]);
        ways
    }
}

/// Memory of device 0 and a stream, for calls that may fail.
struct Fixture {
    emulator: Emulator,
    gpu: Gpu,
    session: Session,
    stream: Stream,
    ssim: Floats,
    saved: Floats,
    grad: Floats,
    /// What `Backward` reads.
    kept: Floats,
}

impl Fixture {
    fn new(emulator: Emulator, gpu: Gpu) -> Self {
        let session = Session::new(Case::new(Kind::Noise, [1, 1, 12, 14]));
        let (ssim, grad) = (session.values(), session.gradient(0).words);
        let saved = || Floats::poisoned(capi::saved_bytes(session.shape(), &session.options) / 4);
        let (saved, kept) = (saved(), saved());
        Fixture { emulator, gpu, session, stream: Stream::new(), ssim, saved, grad, kept }
    }

    /// Loads the kernels, for good, and fills what `Backward` reads.
    fn warm_up(&mut self) {
        self.kept = self.session.forward_saving(Mode::Synchronous).1;
        // The first preload without a current context keeps one of its own.
        let run = self.run_with(Way::Preload, false, NO_FAULT);
        assert_eq!(run.status, capi::OK, "{}", run.message);
    }

    fn run(&self, way: Way) -> Run {
        let null = ptr::null_mut();
        match way {
            Way::Synchronous(function) => self.observe(|| self.synchronous(function)),
            Way::OnStream(function) => self.observe(|| self.enqueue(function, self.stream.handle())),
            Way::OnNullStream(function) => self.observe(|| self.enqueue(function, null)),
            Way::Captured(function) => {
                let mut run = None;
                let enqueue = || {
                    run = Some(self.observe(|| self.enqueue(function, self.stream.handle())));
                    // What follows are this test's own calls.
                    self.emulator.heal();
                };
                let graph = self.stream.try_capture(enqueue);
                let run = run.expect("the capture has run it");
                if run.status == capi::OK {
                    graph.expect("nothing broke the capture").replay(&self.stream);
                }
                run
            }
            Way::Preload => self.observe(|| capi::preload(self.gpu.ordinal)),
            Way::DeviceCount => self.observe(|| capi::device_count().map_or_else(|status| status, |_| capi::OK)),
        }
    }

    fn observe(&self, call: impl FnOnce() -> i32) -> Run {
        let (calls, failures) = (self.emulator.calls(), self.emulator.failures());
        let status = call();
        let (calls, failures) = (self.emulator.calls() - calls, self.emulator.failures() - failures);
        Run { status, message: last_error(), calls, failures, context_is_kept: true }
    }

    fn synchronous(&self, function: Function) -> i32 {
        let [n, c, h, w] = self.session.shape();
        let [img1, img2] = self.session.images.each_ref().map(|image| image.address().cast_const());
        let options = &self.session.options;
        let (ssim, saved, grad, null) =
            (self.ssim.floats(), self.saved.address(), self.grad.address(), ptr::null_mut());
        let kept = self.kept.address();
        // SAFETY: device memory of the right sizes.
        unsafe {
            match function {
                Function::Forward => capi::fssim_forward(img1, img2, n, c, h, w, options, ssim, null),
                Function::ForwardSaving => capi::fssim_forward(img1, img2, n, c, h, w, options, ssim, saved),
                Function::Backward => {
                    capi::fssim_backward(img1, img2, n, c, h, w, options, kept, ptr::null(), grad, null)
                }
                Function::ValueAndGrad => capi::fssim_value_and_grad(img1, img2, n, c, h, w, options, ssim, grad, null),
            }
        }
    }

    fn enqueue(&self, function: Function, stream: *mut std::ffi::c_void) -> i32 {
        let [n, c, h, w] = self.session.shape();
        let [img1, img2] = self.session.images.each_ref().map(|image| image.address().cast_const());
        let options = &self.session.options;
        let (space, bytes) = self.session.workspace();
        let (ssim, saved, grad, null) =
            (self.ssim.floats(), self.saved.address(), self.grad.address(), ptr::null_mut());
        let kept = self.kept.address();
        // SAFETY: device memory of the right sizes that lives as long as the fixture, whose `results` wait for the work.
        unsafe {
            match function {
                Function::Forward => {
                    capi::fssim_forward_stream(img1, img2, n, c, h, w, options, ssim, null, space, bytes, stream)
                }
                Function::ForwardSaving => {
                    capi::fssim_forward_stream(img1, img2, n, c, h, w, options, ssim, saved, space, bytes, stream)
                }
                Function::Backward => capi::fssim_backward_stream(
                    img1,
                    img2,
                    n,
                    c,
                    h,
                    w,
                    options,
                    kept,
                    ptr::null(),
                    grad,
                    null,
                    space,
                    bytes,
                    stream,
                ),
                Function::ValueAndGrad => capi::fssim_value_and_grad_stream(
                    img1, img2, n, c, h, w, options, ssim, grad, null, space, bytes, stream,
                ),
            }
        }
    }

    /// What a call has computed, which is gone afterwards.
    fn results(&self) -> Vec<u32> {
        self.stream.synchronize();
        crate::device::synchronize();
        let outputs = [&self.ssim, &self.saved, &self.grad];
        let bits = outputs.iter().flat_map(|output| output.read()).map(|value| value.to_bits()).collect();
        outputs.iter().for_each(|output| output.poison());
        bits
    }

    /// Runs a call with or without a current context while a driver call is made to fail. Leaves this thread with the
    /// device's context.
    fn run_with(&self, way: Way, has_context: bool, (function, count, code): Fault<'_>) -> Run {
        if !has_context {
            clear_current_context();
        }
        let before = current_context();
        if function == ASKED_ONE_BY_ONE {
            // Where the call for all attributes wants a current context.
            self.emulator.set_rules(&format!(
                "name=cuPointerGetAttributes,times=all,code=201;name={function},count={count},code={code}"
            ));
        } else {
            self.emulator.fail(function, count, code);
        }
        let mut run = self.run(way);
        self.emulator.heal();
        run.context_is_kept = current_context() == before;
        while current_context() != 0 {
            clear_current_context();
        }
        self.gpu.make_current();
        run
    }
}

/// A function of the driver, which call of it fails (from 1), and with what code.
type Fault<'a> = (&'a str, u64, u32);

/// No call fails.
const NO_FAULT: Fault<'_> = ("cuInit", u64::MAX, 1);

/// What became of a call of the library.
struct Run {
    status: i32,
    message: String,
    /// How many driver calls it made, and how many of them were made to fail.
    calls: u64,
    failures: u64,
    context_is_kept: bool,
}

/// The status that the library documents for a code of the driver.
fn status_of(code: u32) -> i32 {
    match code {
        2 => capi::ERROR_OUT_OF_MEMORY,
        3 | 100 => capi::ERROR_NO_CUDA,
        _ => capi::ERROR_CUDA,
    }
}

/// Whether this failure is only an answer: no context is current, or the address is nobody's.
fn is_an_answer(function: &str, count: u64, code: u32) -> bool {
    match function {
        "cuPointerGetAttributes" => code == 201,
        // The first of three attributes of each pointer says whether the driver knows it.
        ASKED_ONE_BY_ONE => count % 3 == 1 && (code == 1 || code == 201),
        _ => false,
    }
}

/// The emulator in a process of this test alone, with device 0's context current; None where there is nothing to do.
fn emulator(test: &str) -> Option<(Emulator, Gpu)> {
    let gpu = Gpu::first(&format!("cuda::{test}"))?;
    Some((Emulator::get()?, gpu))
}
