//! Driver calls that fail: the documented status, a message that names the call, nothing leaked, and the next call works.
//!
//! Only the emulated driver can be made to fail, so on a GPU these tests have nothing to do.

use std::ptr;

use crate::capi::{self, last_error};
use crate::case::{Case, Session};
use crate::device::{Floats, Gpu, Stream, clear_current_context, current_context};
use crate::emulator::Emulator;
use crate::own_process::{as_it_is, in_own_process, is_own_process};
use crate::support::{Kind, skip};

/// Codes of the driver: invalid value, out of memory, not initialised, no device, invalid context, unsupported PTX, illegal
/// address, launch failed, unknown, and one that no driver has.
const CODES: &[u32] = &[1, 2, 3, 100, 201, 222, 700, 719, 999, 123_456];

/// What the library calls, other than to describe errors and devices.
const FUNCTIONS: &[&str] = &[
    "cuInit",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease",
    "cuCtxGetCurrent",
    "cuCtxPushCurrent",
    "cuCtxPopCurrent",
    "cuCtxGetDevice",
    "cuPointerGetAttributes",
    "cuStreamGetCtx",
    "cuStreamSynchronize",
    "cuMemAlloc",
    "cuMemFree",
    "cuLibraryLoadData",
    "cuLibraryGetKernel",
    "cuKernelGetFunction",
    "cuLaunchKernel",
];

/// What is called for each attribute of a pointer if the call for all of them wants a current context.
const ASKED_ONE_BY_ONE: &str = "cuPointerGetAttribute";

/// Giving something back fails: the emulator keeps it, and there is nothing that the library could do.
const GIVE_BACK: &[&str] = &["cuDevicePrimaryCtxRelease", "cuCtxPopCurrent", "cuMemFree"];

/// A way to call the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Synchronous,
    OnStream,
    OnNullStream,
    Preload,
    DeviceCount,
}

const WAYS: &[Way] = &[Way::Synchronous, Way::OnStream, Way::OnNullStream, Way::Preload, Way::DeviceCount];

/// Memory of device 0 and a stream, for calls that may fail.
struct Fixture {
    gpu: Gpu,
    session: Session,
    stream: Stream,
    ssim: Floats,
    grad: Floats,
}

impl Fixture {
    fn new(gpu: Gpu) -> Self {
        let session = Session::new(Case::new(Kind::Noise, [1, 1, 12, 14]));
        let (ssim, grad) = (session.values(), session.gradient(0));
        Fixture { gpu, session, stream: Stream::new(), ssim, grad }
    }

    fn run(&self, way: Way) -> i32 {
        let [n, c, h, w] = self.session.shape();
        let [img1, img2] = self.session.images.each_ref().map(|image| image.address().cast_const());
        let (workspace, bytes) = self.session.workspace();
        let options = &self.session.options;
        let (ssim, grad, none) = (self.ssim.floats(), self.grad.address(), ptr::null_mut());
        let stream = if way == Way::OnStream { self.stream.handle() } else { none };
        // SAFETY: device memory of the right sizes that lives as long as the fixture, whose `results` wait for the work.
        unsafe {
            match way {
                Way::Synchronous => capi::fssim_value_and_grad(img1, img2, n, c, h, w, options, ssim, grad, none),
                Way::OnStream | Way::OnNullStream => capi::fssim_value_and_grad_stream(
                    img1, img2, n, c, h, w, options, ssim, grad, none, workspace, bytes, stream,
                ),
                Way::Preload => capi::preload(self.gpu.ordinal),
                Way::DeviceCount => capi::device_count().map_or_else(|status| status, |_| capi::OK),
            }
        }
    }

    /// What a call has computed, which is gone afterwards.
    fn results(&self) -> Vec<u32> {
        self.stream.synchronize();
        crate::device::synchronize();
        let bits = self.ssim.read().iter().chain(&self.grad.read()).map(|value| value.to_bits()).collect();
        self.ssim.poison();
        self.grad.poison();
        bits
    }

    /// Runs a call with or without a current context while a driver call is made to fail. Leaves this thread with the
    /// device's context.
    fn run_with(&self, emulator: &Emulator, way: Way, has_context: bool, (function, count, code): Fault<'_>) -> Run {
        if !has_context {
            clear_current_context();
        }
        let before = current_context();
        if function == ASKED_ONE_BY_ONE {
            // Where the call for all attributes wants a current context.
            emulator.set_rules(&format!(
                "name=cuPointerGetAttributes,times=all,code=201;name={function},count={count},code={code}"
            ));
        } else {
            emulator.fail(function, count, code);
        }
        let (status, message) = (self.run(way), last_error());
        let failures = emulator.failures();
        emulator.heal();
        let context_is_kept = current_context() == before;
        while current_context() != 0 {
            clear_current_context();
        }
        self.gpu.make_current();
        Run { status, message, failures, context_is_kept }
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
    /// How many driver calls were made to fail.
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

#[test]
fn every_call_that_fails_once() {
    let test = "faults::every_call_that_fails_once";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(gpu);
        for &way in WAYS {
            assert_eq!(fixture.run(way), capi::OK, "{}", last_error());
        }
        let want = fixture.results();
        let mut reached = vec![false; FUNCTIONS.len()];
        for (way, has_context) in WAYS.iter().flat_map(|&way| [(way, true), (way, false)]) {
            for (function, reached) in FUNCTIONS.iter().zip(&mut reached) {
                for (count, code) in (1..).flat_map(|count| CODES.iter().map(move |&code| (count, code))) {
                    if !fails_as_documented(&emulator, &fixture, &want, (way, has_context), (function, count, code)) {
                        break;
                    }
                    *reached = true;
                }
            }
        }
        // Two images and two results, with three attributes each.
        for (count, code) in (1..=12).flat_map(|count| CODES.iter().map(move |&code| (count, code))) {
            for way in [Way::Synchronous, Way::OnStream] {
                let fault = (ASKED_ONE_BY_ONE, count, code);
                assert!(fails_as_documented(&emulator, &fixture, &want, (way, false), fault));
            }
        }
        // What is loaded or looked up once is out of reach here; `cold_starts_that_fail` has it.
        let unreached: Vec<_> =
            FUNCTIONS.iter().zip(reached).filter(|(_, reached)| !reached).map(|(name, _)| name).collect();
        assert_eq!(unreached, [&"cuDeviceGet", &"cuDeviceGetAttribute", &"cuLibraryLoadData", &"cuLibraryGetKernel"]);
    });
}

/// Makes one driver call fail in one call of the library and checks everything about it. False: there is no such call.
fn fails_as_documented(
    emulator: &Emulator,
    fixture: &Fixture,
    want: &[u32],
    (way, has_context): (Way, bool),
    fault: Fault<'_>,
) -> bool {
    let (function, count, code) = fault;
    let before = emulator.alive();
    let Run { status, message, failures, context_is_kept } = fixture.run_with(emulator, way, has_context, fault);
    let what = format!("{way:?}, context {has_context}, call {count} of {function} returns {code}: {message:?}");
    if failures == 0 {
        assert_eq!(status, capi::OK, "{what}");
        fixture.results();
        return false;
    }
    let answer = is_an_answer(function, count, code);
    let no_driver = way == Way::DeviceCount && status_of(code) == capi::ERROR_NO_CUDA;
    if no_driver || (answer && function == "cuPointerGetAttributes") {
        assert_eq!(status, capi::OK, "{what}");
    } else if answer {
        assert_eq!(status, capi::ERROR_DEVICE, "{what}");
    } else {
        assert_eq!(status, status_of(code), "{what}");
        assert!(message.contains(&format!("{function} failed with CUDA error {code} (")), "{what}");
    }
    fixture.results();
    if !GIVE_BACK.contains(&function) {
        assert!(context_is_kept, "{what}: the current context changed");
        assert_eq!(emulator.alive(), before, "{what}: leaked");
    }
    let next = fixture.run_with(emulator, way, has_context, NO_FAULT);
    assert_eq!(next.status, capi::OK, "{what}: the next call: {}", next.message);
    let results = fixture.results();
    assert!(matches!(way, Way::Preload | Way::DeviceCount) || results == want, "{what}: the next call's results");
    true
}

#[test]
fn cold_starts_that_fail() {
    let test = "faults::cold_starts_that_fail";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(gpu);
        let before = emulator.alive();
        // Nothing of what failed may be remembered: each of these is a first call again.
        for function in ["cuDeviceGet", "cuDeviceGetAttribute", "cuLibraryLoadData", "cuLibraryGetKernel"] {
            for &code in CODES {
                for way in [Way::OnStream, Way::Synchronous, Way::Preload] {
                    emulator.fail(function, 1, code);
                    let status = fixture.run(way);
                    let message = last_error();
                    assert_eq!(emulator.failures(), 1, "{function} was not called by {way:?}");
                    assert_eq!(status, status_of(code), "{function} {code}: {message}");
                    assert!(message.contains(&format!("{function} failed with CUDA error {code}")), "{message}");
                    assert_eq!(emulator.alive(), before, "{function} {code}: leaked");
                }
            }
        }
        // The first file of kernels loads, a later one does not, and then it does.
        for &code in CODES {
            emulator.fail("cuLibraryLoadData", 2, code);
            assert_eq!(fixture.run(Way::Preload), status_of(code), "{}", last_error());
            emulator.heal();
            if fixture.run(Way::Preload) == capi::OK {
                break;
            }
        }
        assert_eq!(fixture.run(Way::Synchronous), capi::OK, "{}", last_error());
        assert!(fixture.results().iter().all(|&bits| f32::from_bits(bits).is_finite()));
    });
}

#[test]
fn what_was_preloaded_stays() {
    let test = "faults::what_was_preloaded_stays";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let before = emulator.alive();
        assert_eq!(capi::preload(gpu.ordinal), capi::OK, "{}", last_error());
        assert_eq!(emulator.alive().primary_references, before.primary_references, "the caller has a context");
        // Without a context of the caller's, the library holds the device's own, once.
        clear_current_context();
        for _ in 0..3 {
            assert_eq!(capi::preload(gpu.ordinal), capi::OK, "{}", last_error());
            assert_eq!(emulator.alive().primary_references, before.primary_references + 1);
            assert_eq!(current_context(), 0);
        }
    });
}

#[test]
fn a_device_that_is_lost_under_way() {
    let test = "faults::a_device_that_is_lost_under_way";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(gpu);
        assert_eq!(fixture.run(Way::Synchronous), capi::OK, "{}", last_error());
        let want = fixture.results();
        // The launch is accepted; the fault shows when somebody waits, and stays.
        emulator.set_rules("name=cuLaunchKernel,count=1,code=700,sticky,async");
        assert_eq!(fixture.run(Way::Synchronous), capi::ERROR_CUDA);
        assert!(last_error().contains("cuStreamSynchronize failed with CUDA error 700"), "{}", last_error());
        for way in [Way::Synchronous, Way::OnStream, Way::OnNullStream] {
            assert_eq!(fixture.run(way), capi::ERROR_CUDA);
            assert!(last_error().contains("failed with CUDA error 700"), "{}", last_error());
        }
        emulator.heal();
        assert_eq!(fixture.run(Way::Synchronous), capi::OK, "{}", last_error());
        assert_eq!(fixture.results(), want);
    });
}

#[test]
fn a_driver_too_old_for_the_kernels() {
    let test = "faults::a_driver_too_old_for_the_kernels";
    let Some((_, gpu)) = emulator(test) else { return };
    let prepare = |command: &mut std::process::Command| {
        command.env("FSSIM_EMU_DRIVER_VERSION", "11080");
    };
    in_own_process(test, prepare, || {
        let fixture = Fixture::new(gpu);
        for way in [Way::Synchronous, Way::Preload] {
            assert_eq!(fixture.run(way), capi::ERROR_CUDA);
            let message = last_error();
            assert!(message.contains("cuLibraryLoadData failed with CUDA error 222"), "{message}");
            assert!(message.contains("the driver's PTX compiler says: "), "{message}");
        }
    });
}

#[test]
fn a_driver_without_a_function() {
    let test = "faults::a_driver_without_a_function";
    let path = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join("old-driver"));
    let old_driver = folders.find(|folder| folder.join("libcuda.so.1").exists()).unwrap_or_default();
    if !is_own_process(test) {
        if emulator(test).is_none() {
            return;
        }
        if old_driver.as_os_str().is_empty() {
            return skip(&format!("cuda::{test}"), "the emulated driver was built without --old-driver");
        }
    }
    let prepare = |command: &mut std::process::Command| {
        command.env("LD_LIBRARY_PATH", old_driver);
    };
    in_own_process(test, prepare, || {
        assert_eq!(capi::device_count(), Ok(0));
        assert_eq!(capi::preload(0), capi::ERROR_NO_CUDA);
        let message = last_error();
        assert!(message.contains("too old: it has no cu") && message.contains("Driver 525"), "{message}");
        assert!(capi::backend_info().contains("not usable: the CUDA driver is too old"), "{}", capi::backend_info());
        let (image, mut ssim) = ([0.5f32; 400], f32::NAN);
        let image = image.as_ptr().cast();
        // SAFETY: host memory of the right size.
        capi::expect_ok(unsafe {
            capi::fssim_forward(image, image, 1, 1, 20, 20, ptr::null(), &mut ssim, ptr::null_mut())
        });
        assert!((ssim - 1.0).abs() < 1e-6, "host memory needs no driver: {ssim}");
    });
}

#[test]
fn a_capture_before_the_kernels_are_loaded() {
    let test = "faults::a_capture_before_the_kernels_are_loaded";
    let Some((_, gpu)) = emulator(test) else { return };
    let prepare = |command: &mut std::process::Command| {
        command.env("FSSIM_EMU_NO_LOAD_IN_CAPTURE", "1");
    };
    in_own_process(test, prepare, || {
        let fixture = Fixture::new(gpu);
        let mut outcome = (capi::OK, String::new());
        let broken = fixture.stream.try_capture(|| outcome = (fixture.run(Way::OnStream), last_error()));
        assert_eq!(outcome.0, capi::ERROR_CUDA);
        assert!(outcome.1.contains("call fssim_cuda_preload before the capture"), "{}", outcome.1);
        drop(broken);
        assert_eq!(fixture.run(Way::Preload), capi::OK, "{}", last_error());
        let graph = fixture.stream.capture(|| assert_eq!(fixture.run(Way::OnStream), capi::OK, "{}", last_error()));
        graph.replay(&fixture.stream);
        assert!(fixture.results().iter().all(|&bits| f32::from_bits(bits).is_finite()));
    });
}
