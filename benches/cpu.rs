//! Times the CPU backend: `cargo bench`. FSSIM_NUM_THREADS and FSSIM_CPU choose threads and instructions.

use divan::Bencher;
use divan::counter::ItemsCount;
use fused_ssim::{Layout, Loss, Options, PixelLoss, Problem, Shape};

/// Sizes (N, C, H, W) and whether the channels of a pixel are side by side.
#[derive(Clone, Copy)]
struct Case([i64; 4], bool);

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Case([n, c, h, w], interleaved) = self;
        if *interleaved { write!(f, "{n}x{h}x{w}x{c}") } else { write!(f, "{n}x{c}x{h}x{w}") }
    }
}

const CASES: [Case; 3] =
    [Case([1, 3, 1080, 1920], false), Case([1, 3, 1080, 1920], true), Case([4, 3, 256, 256], false)];

struct Data {
    problem: Problem,
    img1: Vec<f32>,
    img2: Vec<f32>,
    grad: Vec<f32>,
}

fn data(Case([n, c, h, w], interleaved): Case) -> Data {
    let layout = if interleaved { Layout::strided(h * w * c, 1, w * c, c) } else { Layout::DENSE };
    let options = Options { img1: layout, img2: layout, grad_img1: layout, ..Options::default() };
    let shape = Shape::new(n, c, h, w).expect("a valid shape");
    let count = shape.elements();
    // Speed does not depend on the pixels; these are in range and not constant.
    let image = |step: usize| (0..count).map(|i| (i * step % 256) as f32 / 255.0).collect();
    Data {
        problem: Problem::new(shape, &options).expect("valid options"),
        img1: image(31),
        img2: image(77),
        grad: vec![0.0; count],
    }
}

#[divan::bench(args = CASES)]
fn value(bencher: Bencher, case: Case) {
    let Data { problem, img1, img2, .. } = data(case);
    bencher.counter(ItemsCount::new(img1.len())).bench_local(|| {
        let mut ssim = [0.0];
        fused_ssim::forward(&problem, &img1, &img2, &mut ssim, None).expect("forward");
        ssim
    });
}

#[divan::bench(args = CASES)]
fn value_and_grad(bencher: Bencher, case: Case) {
    let Data { problem, img1, img2, mut grad } = data(case);
    bencher.counter(ItemsCount::new(img1.len())).bench_local(|| {
        let mut ssim = [0.0];
        fused_ssim::value_and_grad(&problem, &img1, &img2, &mut ssim, Some(&mut grad), None).expect("value_and_grad");
        ssim
    });
}

#[divan::bench(args = CASES)]
fn training_loss(bencher: Bencher, case: Case) {
    let Data { problem, img1, img2, mut grad } = data(case);
    let terms = Loss { pixel: PixelLoss::L1, lambda: 0.2 };
    bencher.counter(ItemsCount::new(img1.len())).bench_local(|| {
        let mut values = [0.0; 3];
        fused_ssim::loss(&problem, &img1, &img2, terms, &mut values, Some(&mut grad), None).expect("loss");
        values
    });
}

#[divan::bench(args = CASES)]
fn forward_then_backward(bencher: Bencher, case: Case) {
    let Data { problem, img1, img2, mut grad } = data(case);
    let mut saved = vec![0.0; problem.saved_elements()];
    bencher.counter(ItemsCount::new(img1.len())).bench_local(|| {
        let mut ssim = [0.0];
        fused_ssim::forward(&problem, &img1, &img2, &mut ssim, Some(&mut saved)).expect("forward");
        fused_ssim::backward(&problem, &img1, &img2, Some(&saved), None, Some(&mut grad), None).expect("backward");
        ssim
    });
}

fn main() {
    divan::main();
}
