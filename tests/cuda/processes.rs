//! What needs a process of its own: the driver before anybody used it, its absence, fork(), and counting memory.

use std::process::Command;
use std::ptr;

use crate::capi;
use crate::case::{Case, Mode, Session};
use crate::device::{Gpu, Stream, free_memory};
use crate::own_process::{as_it_is, in_own_process};
use crate::support::Kind;

/// SSIM of two pictures in host memory, by the library's own choice of device.
fn expect_host_memory_works() {
    let (img1, img2, mut ssim) = ([0.25f32; 400], [0.5f32; 400], f32::NAN);
    let (img1, img2) = (img1.as_ptr().cast(), img2.as_ptr().cast());
    // SAFETY: host memory of the right size.
    capi::expect_ok(unsafe { capi::fssim_forward(img1, img2, 1, 1, 20, 20, ptr::null(), &mut ssim, ptr::null_mut()) });
    assert!(ssim > 0.0 && ssim < 1.0, "{ssim}");
}

#[test]
#[cfg(target_os = "linux")]
fn host_memory_never_wakes_the_driver() {
    in_own_process("processes::host_memory_never_wakes_the_driver", as_it_is, || {
        expect_host_memory_works();
        let libraries = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
        assert!(!libraries.contains("libcuda"), "a call on host memory loaded the driver:\n{libraries}");
    });
}

#[test]
fn without_a_driver() {
    let prepare = |command: &mut Command| {
        command.env_remove("LD_LIBRARY_PATH");
    };
    in_own_process("processes::without_a_driver", prepare, || {
        expect_host_memory_works();
        // SAFETY: opens libraries by the driver's names.
        if unsafe { cudarc::driver::sys::is_culib_present() } {
            // This machine's driver cannot be wished away; machines without one run what follows.
            return;
        }
        assert_eq!(capi::device_count(), Ok(0));
        assert!(capi::backend_info().contains("libcuda.so.1 was not found"), "{}", capi::backend_info());
        assert_eq!(capi::preload(0), capi::ERROR_NO_CUDA);
        assert!(capi::last_error().contains("libcuda.so.1"), "{}", capi::last_error());
        let options = capi::fssim_options { device: capi::DEVICE_CUDA, ..Default::default() };
        let (image, mut ssim) = ([0.5f32; 400], 2.0f32);
        let image = image.as_ptr().cast();
        // SAFETY: host memory of the right size.
        let status = unsafe { capi::fssim_forward(image, image, 1, 1, 20, 20, &options, &mut ssim, ptr::null_mut()) };
        assert_eq!((status, ssim), (capi::ERROR_NO_CUDA, 2.0));
    });
}

#[test]
fn devices_are_described() {
    let Some(_gpu) = Gpu::first("cuda::processes::devices_are_described") else { return };
    let count = capi::device_count().expect("there is a driver");
    let text = capi::backend_info();
    assert!(count > 0 && text.contains(&format!("devices: {count}")), "{text}");
    assert!(text.contains("cuda device 0: ") && text.contains("compute capability"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_forked_child_is_told_so_and_keeps_the_cpu() {
    let test = "processes::a_forked_child_is_told_so_and_keeps_the_cpu";
    let Some(_gpu) = Gpu::first(&format!("cuda::{test}")) else { return };
    in_own_process(test, as_it_is, || {
        let session = Session::new(Case::new(Kind::Noise, [1, 1, 20, 20]));
        let before = session.forward(Mode::Synchronous);
        // SAFETY: this process runs this test alone, and the child ends with _exit.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork failed");
        if child == 0 {
            let failure = std::panic::catch_unwind(|| in_forked_child(&session)).is_err();
            // SAFETY: nothing of the parent is to be run again.
            unsafe { libc::_exit(i32::from(failure)) };
        }
        let mut status = -1;
        // SAFETY: the out-parameter is valid, the child is ours.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        assert_eq!(status, 0, "the forked child failed");
        assert_eq!(session.forward(Mode::Synchronous), before);
    });
}

#[cfg(target_os = "linux")]
fn in_forked_child(session: &Session) {
    expect_host_memory_works();
    let [n, c, h, w] = session.shape();
    let [img1, img2] = session.images.each_ref().map(|image| image.address().cast_const());
    for device in [0, capi::DEVICE_CPU, capi::DEVICE_CUDA] {
        let options = capi::fssim_options { device, ..session.options };
        let mut ssim = 2.0f32;
        // SAFETY: memory of the parent's device, which must be refused, and host memory.
        let status = unsafe { capi::fssim_forward(img1, img2, n, c, h, w, &options, &mut ssim, ptr::null_mut()) };
        assert_eq!((status, ssim), (capi::ERROR_NO_CUDA, 2.0), "{}", capi::last_error());
        assert!(capi::last_error().contains("fork()"), "{}", capi::last_error());
    }
    assert_eq!(capi::device_count(), Ok(0));
    assert!(capi::backend_info().contains("not usable"), "{}", capi::backend_info());
    assert_eq!(capi::preload(0), capi::ERROR_NO_CUDA);
}

#[test]
fn stream_calls_allocate_nothing() {
    let test = "processes::stream_calls_allocate_nothing";
    let Some(_gpu) = Gpu::first(&format!("cuda::{test}")) else { return };
    in_own_process(test, as_it_is, || {
        let session = Session::new(Case::new(Kind::Noise, [1, 1, 16, 16]));
        let (stream, ssim, grad) = (Stream::new(), session.values(), session.gradient(0));
        let call = || session.enqueue_value_and_grad(&ssim, &grad, &stream);
        call();
        stream.synchronize();
        // The figures are the device's, and the other tests use it meanwhile: one undisturbed round is enough, because calls
        // that allocate would disturb every one of them.
        let undisturbed = (0..1000).any(|_| {
            let before = free_memory();
            for _ in 0..10_000 {
                call();
            }
            let during = free_memory();
            stream.synchronize();
            [during, free_memory()] == [before; 2]
        });
        assert!(undisturbed, "free memory changed in every round");
    });
}
