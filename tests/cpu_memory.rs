//! How much memory the CPU backend asks for: counted, in a program of its own, because the counter is the allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fused_ssim::{Dtype, Options, Pixels, PixelsMut, Problem, Shape, ValuesMut};

struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let current = CURRENT.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(current, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One measurement at a time.
static ALONE: Mutex<()> = Mutex::new(());

const MIB: usize = 1 << 20;
/// Columns: more than a strip.
const WIDTH: usize = 1000;

/// The most that `call` had allocated at once.
fn peak(call: impl FnOnce()) -> usize {
    let before = CURRENT.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    call();
    PEAK.load(Ordering::SeqCst) - before
}

/// What value and gradient of both images need beside the caller's memory.
fn peak_for(dtype: Dtype, [n, c, h, w]: [usize; 4], threads: usize) -> usize {
    let layout = fused_ssim::Layout::DENSE.with_dtype(dtype);
    let precise = if dtype == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
    let grad = fused_ssim::Layout::DENSE.with_dtype(precise);
    let options = Options { img1: layout, img2: layout, grad_img1: grad, grad_img2: grad, ..Options::default() };
    let shape = Shape::new(n as i64, c as i64, h as i64, w as i64).expect("a shape");
    let problem = Problem::new(shape, &options).expect("valid options");
    let count = shape.elements();
    fused_ssim::set_num_threads(threads);
    let peak = match dtype {
        Dtype::F64 => {
            let (image, mut ssim) = (vec![0.5; count], [f64::NAN]);
            let (mut grad1, mut grad2) = (vec![f64::NAN; count], vec![f64::NAN; count]);
            let peak = peak(|| {
                let (grad1, grad2) = (PixelsMut::F64(&mut grad1), PixelsMut::F64(&mut grad2));
                let pixels = Pixels::F64(&image);
                let ssim = ValuesMut::F64(&mut ssim);
                fused_ssim::value_and_grad_pixels(&problem, pixels, pixels, ssim, Some(grad1), Some(grad2))
                    .expect("value_and_grad_pixels");
            });
            assert_eq!(ssim, [1.0]);
            peak
        }
        _ => {
            let (image, mut ssim) = (vec![0x3800u16; count], [f32::NAN]);
            let wide = vec![0.5f32; count];
            let (mut grad1, mut grad2) = (vec![f32::NAN; count], vec![f32::NAN; count]);
            let pixels = if dtype == Dtype::F16 { Pixels::F16(&image) } else { Pixels::F32(&wide) };
            let peak = peak(|| {
                let (grad1, grad2) = (PixelsMut::F32(&mut grad1), PixelsMut::F32(&mut grad2));
                let ssim = ValuesMut::F32(&mut ssim);
                fused_ssim::value_and_grad_pixels(&problem, pixels, pixels, ssim, Some(grad1), Some(grad2))
                    .expect("value_and_grad_pixels");
            });
            assert_eq!(ssim, [1.0]);
            peak
        }
    };
    fused_ssim::set_num_threads(0);
    peak
}

#[test]
fn value_and_gradient_need_less_than_a_mebibyte_per_thread() {
    let _alone = ALONE.lock().expect("no panic");
    for dtype in [Dtype::F32, Dtype::F16, Dtype::F64] {
        for threads in [1, 2, 4] {
            let bytes = peak_for(dtype, [1, 2, 600, WIDTH], threads);
            println!("{dtype:?}, {threads} threads: {bytes} bytes");
            assert!(bytes > 0 && bytes < threads * MIB, "{dtype:?} with {threads} threads: {bytes} bytes");
        }
    }
}

#[test]
fn memory_depends_on_neither_height_nor_batch() {
    let _alone = ALONE.lock().expect("no panic");
    for dtype in [Dtype::F32, Dtype::F16, Dtype::F64] {
        let small = peak_for(dtype, [1, 1, 500, WIDTH], 1);
        for size in [[1, 1, 5000, WIDTH], [8, 1, 500, WIDTH]] {
            let large = peak_for(dtype, size, 1);
            println!("{dtype:?}: {small} bytes, {size:?}: {large} bytes");
            // A number of eight bytes for each unit of work.
            assert!(large < small + 8192, "{dtype:?} {size:?}: {large} bytes instead of {small}");
        }
    }
}
