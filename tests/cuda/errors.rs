//! Wrong calls: each a status and a message that says which argument, and nothing written.

use std::ffi::c_void;
use std::ptr;

use crate::capi::{self, fssim_options, last_error};
use crate::case::{Case, Session};
use crate::device::{Floats, Gpu, HostFloats, POISON, Stream};
use crate::support::Kind;

/// The arguments of a good call of `fssim_value_and_grad_stream`, to be spoilt one by one.
struct Arguments {
    img1: *const c_void,
    img2: *const c_void,
    options: fssim_options,
    ssim: *mut c_void,
    grad_img1: *mut c_void,
    workspace: *mut c_void,
    workspace_bytes: usize,
    stream: *mut c_void,
}

/// A good call and the memory it works on.
struct Fixture {
    session: Session,
    stream: Stream,
    ssim: Floats,
    grad: Floats,
}

impl Fixture {
    fn new() -> Self {
        let session = Session::new(Case::new(Kind::Noise, [1, 2, 20, 30]));
        let (ssim, grad) = (session.values(), session.gradient(0).words);
        Fixture { session, stream: Stream::new(), ssim, grad }
    }

    fn good(&self) -> Arguments {
        Arguments {
            img1: self.session.images[0].address(),
            img2: self.session.images[1].address(),
            options: fssim_options { device: 0, ..self.session.options },
            ssim: self.ssim.address(),
            grad_img1: self.grad.address(),
            workspace: self.session.workspace().0,
            workspace_bytes: self.session.workspace().1,
            stream: self.stream.handle(),
        }
    }

    fn run(&self, arguments: &Arguments) -> i32 {
        let Arguments { img1, img2, options, ssim, grad_img1, workspace, workspace_bytes, stream } = *arguments;
        let [n, c, h, w] = self.session.shape();
        // SAFETY: the memory of the fixture, or a pointer that must be refused before it is used.
        unsafe {
            capi::fssim_value_and_grad_stream(
                img1,
                img2,
                n,
                c,
                h,
                w,
                &options,
                ssim.cast(),
                grad_img1,
                ptr::null_mut(),
                workspace,
                workspace_bytes,
                stream,
            )
        }
    }

    /// Spoils a good call; it must be refused with this status, a message with these words, and nothing written.
    #[track_caller]
    fn refuses(&self, status: i32, words: &[&str], spoil: impl FnOnce(&mut Arguments)) {
        let mut arguments = self.good();
        spoil(&mut arguments);
        let got = self.run(&arguments);
        let message = last_error();
        assert_eq!(got, status, "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is not in {message:?}");
        }
        self.stream.synchronize();
        for memory in [&self.ssim, &self.grad] {
            assert!(memory.read().iter().all(|value| value.to_bits() == POISON), "an output was written: {message}");
        }
    }

    /// The fixture still works after everything it refused.
    #[track_caller]
    fn still_works(&self) {
        assert_eq!(self.run(&self.good()), capi::OK, "{}", last_error());
        self.stream.synchronize();
        assert!(self.ssim.read().iter().chain(&self.grad.read()).all(|value| value.is_finite()));
    }
}

fn offset(pointer: *mut c_void, bytes: usize) -> *mut c_void {
    pointer.wrapping_byte_add(bytes)
}

#[test]
fn pointers_that_disagree() {
    let Some(_gpu) = Gpu::first("cuda::errors::pointers_that_disagree") else { return };
    let fixture = Fixture::new();
    let mut host = vec![0.0f32; 1 << 14];
    let host_pointer = host.as_mut_ptr().cast::<c_void>();
    let pinned = HostFloats::pinned(&host);
    for host in [host_pointer, pinned.address()] {
        let place = "in host memory";
        fixture.refuses(capi::ERROR_DEVICE, &["img1", "img2 is", place], |call| call.img2 = host);
        fixture.refuses(capi::ERROR_DEVICE, &["img1", "img2 is on CUDA device", place], |call| call.img1 = host);
        fixture.refuses(capi::ERROR_DEVICE, &["ssim is", place], |call| call.ssim = host);
        fixture.refuses(capi::ERROR_DEVICE, &["grad_img1 is", place], |call| call.grad_img1 = host);
        let aligned = offset(host, host.align_offset(16));
        fixture.refuses(capi::ERROR_DEVICE, &["workspace is", place], |call| call.workspace = aligned);
    }
    fixture.still_works();
}

#[test]
fn pointers_that_are_not_where_the_options_say() {
    let Some(_gpu) = Gpu::first("cuda::errors::pointers_that_are_not_where_the_options_say") else { return };
    let fixture = Fixture::new();
    let host = [0.0f32; 2048];
    fixture.refuses(capi::ERROR_DEVICE, &["img1 is on CUDA device 0", "the CPU was asked for"], |call| {
        call.options.device = capi::DEVICE_CPU;
    });
    let words = ["is in host memory", "but"];
    fixture.refuses(capi::ERROR_DEVICE, &words, |call| {
        call.options.device = capi::DEVICE_CUDA;
        call.img1 = host.as_ptr().cast();
    });
    let mut value = POISON;
    let (mut images, mut grad) = ([[0.0f32; 1200]; 2], [0.0f32; 1200]);
    let [img1, img2] = &mut images;
    fixture.refuses(capi::ERROR_DEVICE, &["img1 is in host memory", "CUDA was asked for"], |call| {
        call.options.device = capi::DEVICE_CUDA;
        call.img1 = img1.as_mut_ptr().cast();
        call.img2 = img2.as_mut_ptr().cast();
        call.ssim = (&raw mut value).cast();
        call.grad_img1 = grad.as_mut_ptr().cast();
    });
    assert_eq!(value, POISON);
    fixture.still_works();
}

#[test]
fn host_memory_with_a_stream() {
    let Some(_gpu) = Gpu::first("cuda::errors::host_memory_with_a_stream") else { return };
    let fixture = Fixture::new();
    let images = HostFloats::pinned(&[0.5; 1200]);
    let mut outputs = [0.0f32; 1201];
    fixture.refuses(capi::ERROR_STREAM, &["stream is not NULL", "host memory"], |call| {
        call.img1 = images.address();
        call.img2 = images.address();
        call.ssim = outputs[1200..].as_mut_ptr().cast();
        call.grad_img1 = outputs.as_mut_ptr().cast();
    });
    assert!(outputs.iter().all(|&value| value == 0.0));
    fixture.still_works();
}

#[test]
fn a_workspace_that_does_not_do() {
    let Some(_gpu) = Gpu::first("cuda::errors::a_workspace_that_does_not_do") else { return };
    let fixture = Fixture::new();
    let good = fixture.good();
    let words = ["workspace", "fssim_workspace_size"];
    fixture.refuses(capi::ERROR_WORKSPACE, &words, |call| call.workspace = ptr::null_mut());
    fixture.refuses(capi::ERROR_WORKSPACE, &words, |call| call.workspace_bytes -= 1);
    fixture.refuses(capi::ERROR_WORKSPACE, &words, |call| call.workspace_bytes = 0);
    fixture.refuses(capi::ERROR_ALIGNMENT, &["workspace", "16"], |call| call.workspace = offset(good.workspace, 4));
    fixture.refuses(capi::ERROR_OVERLAP, &["workspace", "overlaps img1"], |call| {
        call.workspace = call.img1.cast_mut();
    });
    fixture.still_works();
}

#[test]
fn arguments_that_are_missing_or_misplaced() {
    let Some(_gpu) = Gpu::first("cuda::errors::arguments_that_are_missing_or_misplaced") else { return };
    let fixture = Fixture::new();
    let good = fixture.good();
    fixture.refuses(capi::ERROR_NULL_POINTER, &["img1"], |call| call.img1 = ptr::null());
    fixture.refuses(capi::ERROR_NULL_POINTER, &["img2"], |call| call.img2 = ptr::null());
    fixture.refuses(capi::ERROR_NULL_POINTER, &["ssim"], |call| call.ssim = ptr::null_mut());
    fixture.refuses(capi::ERROR_NULL_POINTER, &["grad_img1"], |call| call.grad_img1 = ptr::null_mut());
    fixture.refuses(capi::ERROR_ALIGNMENT, &["img2"], |call| call.img2 = offset(good.img2.cast_mut(), 2));
    fixture.refuses(capi::ERROR_OVERLAP, &["ssim", "grad_img1"], |call| call.ssim = offset(good.grad_img1, 16));
    fixture.refuses(capi::ERROR_OVERLAP, &["grad_img1", "img1"], |call| call.grad_img1 = call.img1.cast_mut());
    fixture.still_works();
}

#[test]
fn a_saved_buffer_that_is_misaligned_or_serves_the_other_image() {
    let Some(_gpu) = Gpu::first("cuda::errors::a_saved_buffer_that_is_misaligned_or_serves_the_other_image") else {
        return;
    };
    let fixture = Fixture::new();
    let session = &fixture.session;
    let [n, c, h, w] = session.shape();
    let [img1, img2] = session.images.each_ref().map(|image| image.address().cast_const());
    let saved = Floats::poisoned(capi::saved_bytes(session.shape(), &session.options) / 4 + 4);
    // SAFETY: the memory of the fixture, or a pointer that must be refused before it is used.
    unsafe {
        let misaligned = offset(saved.address(), 4);
        let options = &session.options;
        assert_eq!(
            capi::fssim_forward(img1, img2, n, c, h, w, options, fixture.ssim.floats(), misaligned),
            capi::ERROR_ALIGNMENT
        );
        assert!(last_error().contains("saved"), "{}", last_error());
        let options = &fssim_options { saved_for: capi::SAVE_FOR_IMG2, ..session.options };
        let (saved, grad) = (saved.address(), fixture.grad.address());
        let status = capi::fssim_backward(img1, img2, n, c, h, w, options, saved, ptr::null(), grad, ptr::null_mut());
        assert_ne!(status, capi::OK);
        assert!(last_error().contains("saved_for"), "{}", last_error());
    }
    assert!(saved.read().iter().all(|value| value.to_bits() == POISON));
    fixture.still_works();
}

#[test]
fn what_only_the_cpu_computes() {
    let Some(_gpu) = Gpu::first("cuda::errors::what_only_the_cpu_computes") else { return };
    let fixture = Fixture::new();
    let doubles = Floats::poisoned(2 * fixture.grad.len());
    let words = ["img1: dtype F64", "not supported on CUDA"];
    fixture.refuses(capi::ERROR_UNSUPPORTED, &words, |call| {
        let options = &mut call.options;
        for layout in [&mut options.img1, &mut options.img2, &mut options.grad_img1, &mut options.grad_img2] {
            layout.dtype = capi::DTYPE_F64;
        }
        // The images of the fixture are not as long, so that elements share places.
        (options.img1.strides, options.img2.strides) = ([1; 4], [1; 4]);
        call.grad_img1 = doubles.address();
    });
    fixture.still_works();
}

#[test]
fn preloading_a_device_that_does_not_exist() {
    let Some(_gpu) = Gpu::first("cuda::errors::preloading_a_device_that_does_not_exist") else { return };
    for ordinal in [-1, capi::device_count().expect("there is a driver"), i32::MAX] {
        assert_eq!(capi::preload(ordinal), capi::ERROR_DEVICE);
        assert!(last_error().contains(&format!("device is {ordinal}")), "{}", last_error());
    }
}

#[test]
fn memory_and_streams_of_another_device() {
    let Some(gpus) = Gpu::all("cuda::errors::memory_and_streams_of_another_device", 2) else { return };
    let fixture = Fixture::new();
    gpus[1].make_current();
    let (memory, stream) = (Floats::poisoned(4096), Stream::new());
    gpus[0].make_current();
    let words = ["is on CUDA device 0", "is on CUDA device 1"];
    fixture.refuses(capi::ERROR_DEVICE, &["img2", words[0], words[1]], |call| call.img2 = memory.address());
    fixture.refuses(capi::ERROR_DEVICE, &["ssim", words[0], words[1]], |call| call.ssim = memory.address());
    fixture.refuses(capi::ERROR_DEVICE, &["workspace is on CUDA device 1"], |call| call.workspace = memory.address());
    let words = ["stream belongs to CUDA device 1", "CUDA device 0"];
    fixture.refuses(capi::ERROR_STREAM, &words, |call| call.stream = stream.handle());
    // Of two faults the stream's comes first, as the header says.
    fixture.refuses(capi::ERROR_STREAM, &words, |call| {
        call.stream = stream.handle();
        call.workspace = ptr::null_mut();
    });
    fixture.still_works();
    drop(memory);
}
