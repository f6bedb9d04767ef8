//! The first calls of a process, and faults that do not pass.

use std::ptr;

use super::{CODES, COMPUTING, Fixture, Function, Way, emulator, status_of};
use crate::capi::{self, last_error};
use crate::device::{clear_current_context, current_context};
use crate::own_process::{as_it_is, in_own_process, is_own_process};
use crate::support::skip;

const SYNCHRONOUS: Way = Way::Synchronous(Function::ValueAndGrad);

#[test]
fn first_calls_that_fail() {
    let test = "faults::starts::first_calls_that_fail";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(emulator, gpu);
        let before = fixture.emulator.alive();
        // Nothing of what failed may be remembered: each of these is a first call again.
        for function in ["cuDeviceGet", "cuDeviceGetAttribute", "cuLibraryLoadData", "cuLibraryGetKernel"] {
            for &code in CODES {
                for way in [Way::OnStream(Function::ValueAndGrad), SYNCHRONOUS, Way::Preload] {
                    fixture.emulator.fail(function, 1, code);
                    let status = fixture.run(way).status;
                    let message = last_error();
                    assert_eq!(fixture.emulator.failures(), 1, "{function} was not called by {way:?}");
                    assert_eq!(status, status_of(code), "{function} {code}: {message}");
                    assert!(message.contains(&format!("{function} failed with CUDA error {code}")), "{message}");
                    assert_eq!(fixture.emulator.alive(), before, "{function} {code}: leaked");
                }
            }
        }
        // The first file of kernels loads, a later one does not, and then it does.
        for &code in CODES {
            fixture.emulator.fail("cuLibraryLoadData", 2, code);
            assert_eq!(fixture.run(Way::Preload).status, status_of(code), "{}", last_error());
            fixture.emulator.heal();
            if fixture.run(Way::Preload).status == capi::OK {
                break;
            }
        }
        assert_eq!(fixture.run(SYNCHRONOUS).status, capi::OK, "{}", last_error());
        assert!(f32::from_bits(fixture.results()[0]).is_finite());
    });
}

#[test]
fn what_was_preloaded_stays() {
    let test = "faults::starts::what_was_preloaded_stays";
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
fn a_preload_that_fails_keeps_no_context() {
    let test = "faults::starts::a_preload_that_fails_keeps_no_context";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(emulator, gpu);
        clear_current_context();
        let before = fixture.emulator.alive();
        for function in ["cuDevicePrimaryCtxRetain", "cuCtxPushCurrent", "cuLibraryLoadData", "cuLibraryGetKernel"] {
            for &code in CODES {
                fixture.emulator.fail(function, 1, code);
                let run = fixture.run(Way::Preload);
                assert_eq!((run.status, run.failures), (status_of(code), 1), "{function} {code}: {}", run.message);
                assert_eq!(fixture.emulator.alive(), before, "{function} {code}: leaked");
            }
        }
        fixture.emulator.heal();
        assert_eq!(fixture.run(Way::Preload).status, capi::OK, "{}", last_error());
    });
}

#[test]
fn a_second_failure_hides_not_the_first() {
    let test = "faults::starts::a_second_failure_hides_not_the_first";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let mut fixture = Fixture::new(emulator, gpu);
        let fails = |fixture: &Fixture, way, first: &str, second: &str| {
            fixture.emulator.set_rules(&format!("name={first},code=700;name={second},code=1"));
            let run = fixture.run(way);
            assert_eq!((run.status, run.failures), (capi::ERROR_CUDA, 2), "{first}, {second}: {}", run.message);
            assert!(run.message.contains(&format!("{first} failed with CUDA error 700 (")), "{}", run.message);
            fixture.emulator.heal();
        };
        fails(&fixture, SYNCHRONOUS, "cuLibraryGetKernel", "cuLibraryUnload");
        fixture.warm_up();
        for first in ["cuLaunchKernel", "cuStreamSynchronize"] {
            fails(&fixture, SYNCHRONOUS, first, "cuMemFree");
        }
        fails(&fixture, Way::OnStream(Function::ValueAndGrad), "cuLaunchKernel", "cuStreamIsCapturing");
        clear_current_context();
        fails(&fixture, SYNCHRONOUS, "cuCtxPushCurrent", "cuDevicePrimaryCtxRelease");
        fails(&fixture, SYNCHRONOUS, "cuMemAlloc", "cuCtxPopCurrent");
    });
}

#[test]
fn a_device_that_is_lost_under_way() {
    let test = "faults::starts::a_device_that_is_lost_under_way";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        let fixture = Fixture::new(emulator, gpu);
        assert_eq!(fixture.run(SYNCHRONOUS).status, capi::OK, "{}", last_error());
        let want = fixture.results();
        // The launch is accepted; the fault stays from when the kernel runs: it shows when somebody waits, or at the next launch.
        fixture.emulator.set_rules("name=cuLaunchKernel,count=1,code=700,sticky,async");
        assert_eq!(fixture.run(SYNCHRONOUS).status, capi::ERROR_CUDA);
        let message = last_error();
        let shown = ["cuStreamSynchronize", "cuLaunchKernel"].map(|call| format!("{call} failed with CUDA error 700"));
        assert!(shown.iter().any(|text| message.contains(text.as_str())), "{message}");
        let forms = [Way::Synchronous, Way::OnStream, Way::OnNullStream];
        for way in forms.iter().flat_map(|form| COMPUTING.map(form)) {
            assert_eq!(fixture.run(way).status, capi::ERROR_CUDA);
            assert!(last_error().contains("failed with CUDA error 700"), "{}", last_error());
        }
        fixture.emulator.heal();
        assert_eq!(fixture.run(SYNCHRONOUS).status, capi::OK, "{}", last_error());
        assert_eq!(fixture.results(), want);
    });
}

#[test]
fn a_driver_too_old_for_the_kernels() {
    let test = "faults::starts::a_driver_too_old_for_the_kernels";
    let Some((emulator, gpu)) = emulator(test) else { return };
    let prepare = |command: &mut std::process::Command| {
        command.env("FSSIM_EMU_DRIVER_VERSION", "11080");
    };
    in_own_process(test, prepare, || {
        let fixture = Fixture::new(emulator, gpu);
        for way in [SYNCHRONOUS, Way::Preload] {
            assert_eq!(fixture.run(way).status, capi::ERROR_CUDA);
            let message = last_error();
            assert!(message.contains("cuLibraryLoadData failed with CUDA error 222"), "{message}");
            assert!(message.contains("the driver's PTX compiler says: "), "{message}");
        }
    });
}

#[test]
fn a_driver_without_a_function() {
    let test = "faults::starts::a_driver_without_a_function";
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
    let test = "faults::starts::a_capture_before_the_kernels_are_loaded";
    let Some((emulator, gpu)) = emulator(test) else { return };
    let prepare = |command: &mut std::process::Command| {
        command.env("FSSIM_EMU_NO_LOAD_IN_CAPTURE", "1");
    };
    in_own_process(test, prepare, || {
        let fixture = Fixture::new(emulator, gpu);
        let mut outcome = (capi::OK, String::new());
        let broken = fixture
            .stream
            .try_capture(|| outcome = (fixture.run(Way::OnStream(Function::ValueAndGrad)).status, last_error()));
        assert_eq!(outcome.0, capi::ERROR_CUDA);
        assert!(outcome.1.contains("call fssim_cuda_preload before the capture"), "{}", outcome.1);
        drop(broken);
        assert_eq!(fixture.run(Way::Preload).status, capi::OK, "{}", last_error());
        let graph = fixture.stream.capture(|| {
            assert_eq!(fixture.run(Way::OnStream(Function::ValueAndGrad)).status, capi::OK, "{}", last_error())
        });
        graph.replay(&fixture.stream);
        assert!(f32::from_bits(fixture.results()[0]).is_finite());
    });
}

#[test]
fn a_preload_leaves_no_kernel_out() {
    let test = "faults::starts::a_preload_leaves_no_kernel_out";
    let Some((emulator, gpu)) = emulator(test) else { return };
    in_own_process(test, as_it_is, || {
        for kernel in 1..=5 {
            emulator.fail("cuKernelGetFunction", kernel, 1);
            assert_eq!(capi::preload(gpu.ordinal), capi::ERROR_CUDA, "kernel {kernel} was not loaded");
        }
        emulator.heal();
        assert_eq!(capi::preload(gpu.ordinal), capi::OK, "{}", last_error());
    });
}
