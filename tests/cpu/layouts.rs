//! Any strides: the same bits as for dense images, and nothing written outside.

use fused_ssim::{Layout, Options, Problem, Strides};

use crate::harness::{PADDINGS, every_way, nan, problem};
use crate::support::{Kind, Random, Size, images, skip, upstream};

/// A way to lay out an image, and where its first element is inside a larger allocation.
#[derive(Clone, Copy)]
struct Placement {
    layout: Layout,
    offset: usize,
    allocation: usize,
}

fn strided(strides: [usize; 4], offset: usize, allocation: usize) -> Placement {
    let [n, c, h, w] = strides.map(|stride| stride as i64);
    Placement { layout: Layout::strided(n, c, h, w), offset, allocation }
}

/// Every layout that bindings produce, for a shape.
fn placements([n, c, h, w]: Size) -> Vec<(&'static str, Placement)> {
    let count = n * c * h * w;
    let (big_h, big_w) = (h + 5, w + 9);
    vec![
        ("dense", Placement { layout: Layout::DENSE, offset: 0, allocation: count }),
        ("interleaved channels", strided([h * w * c, 1, w * c, c], 0, count)),
        ("columns first", strided([c * h * w, h * w, 1, h], 0, count)),
        ("batch innermost", strided([1, n, n * c, n * c * h], 0, count)),
        (
            "a rectangle of a larger image",
            strided([c * big_h * big_w, big_h * big_w, big_w, 1], 3 * big_w + 4, n * c * big_h * big_w),
        ),
        (
            "a rectangle of a larger interleaved image",
            strided([big_h * big_w * c, 1, big_w * c, c], (2 * big_w + 1) * c, n * c * big_h * big_w),
        ),
        ("every second column", strided([c * h * w * 2, h * w * 2, w * 2, 2], 1, 2 * count + 1)),
    ]
}

fn address(problem_strides: [usize; 4], index: [usize; 4]) -> usize {
    problem_strides.iter().zip(index).map(|(stride, index)| stride * index).sum()
}

fn indices([n, c, h, w]: Size) -> impl Iterator<Item = [usize; 4]> {
    (0..n * c * h * w).map(move |i| [i / (c * h * w), i / (h * w) % c, i / w % h, i % w])
}

/// A dense image as the placement has it, with NaN in every other element of the allocation.
fn scatter(size: Size, dense: &[f32], placement: Placement, strides: [usize; 4]) -> Vec<f32> {
    let mut memory = nan(placement.allocation);
    for (pixel, index) in dense.iter().zip(indices(size)) {
        memory[placement.offset + address(strides, index)] = *pixel;
    }
    memory
}

fn strides_of(strides: Strides) -> [usize; 4] {
    [strides.n, strides.c, strides.h, strides.w]
}

#[test]
fn give_the_bits_of_dense_images() {
    for size in [[2, 3, 37, 50], [1, 1, 5, 3], [1, 4, 20, 600]] {
        let (x, y) = images(Kind::Photo, size);
        for padding in PADDINGS.into_iter().filter(|&p| crate::harness::fits(p, size)) {
            let base = Options { padding, ..Options::default() };
            let dense = problem(size, &base);
            let factors = upstream(dense.values());
            let want = every_way(&dense, &x, &y, &factors);
            let all = placements(size);
            for i in 0..all.len() {
                // Each argument with a layout of its own.
                let [a, b, c, d] = [0, 1, 2, 3].map(|k| all[(i + k) % all.len()]);
                let options = Options {
                    img1: a.1.layout,
                    img2: b.1.layout,
                    grad_img1: c.1.layout,
                    grad_img2: d.1.layout,
                    ..base.clone()
                };
                let problem = problem(size, &options);
                let x = scatter(size, &x, a.1, strides_of(problem.img1));
                let y = scatter(size, &y, b.1, strides_of(problem.img2));
                let (x, y) = (&x[a.1.offset..], &y[b.1.offset..]);
                for (got, want) in every_way(&problem, x, y, &factors).iter().zip(&want) {
                    let label = format!("{size:?} {padding:?} {} {} {}: {}", a.0, b.0, c.0, got.name);
                    assert_eq!(bits(got.ssim.as_deref()), bits(want.ssim.as_deref()), "{label}");
                    let places = [problem.grad_img1, problem.grad_img2];
                    for ((got, want), strides) in got.grads.iter().zip(&want.grads).zip(places) {
                        let gathered = got.as_ref().map(|got| gather(size, got, strides_of(strides)));
                        assert_eq!(bits(gathered.as_deref()), bits(want.as_deref()), "{label}");
                    }
                }
            }
        }
    }
}

fn gather(size: Size, memory: &[f32], strides: [usize; 4]) -> Vec<f32> {
    indices(size).map(|index| memory[address(strides, index)]).collect()
}

fn bits(values: Option<&[f32]>) -> Option<Vec<u32>> {
    values.map(|values| values.iter().map(|value| value.to_bits()).collect())
}

#[test]
fn nothing_around_a_gradient_is_touched() {
    let size = [2, 3, 21, 40];
    let (x, y) = images(Kind::Noise, size);
    for (name, placement) in placements(size) {
        let options = Options { grad_img1: placement.layout, grad_img2: placement.layout, ..Options::default() };
        let problem = problem(size, &options);
        let strides = strides_of(problem.grad_img1);
        let mut own = vec![false; placement.allocation];
        indices(size).for_each(|index| own[placement.offset + address(strides, index)] = true);
        let mut random = Random::new(9);
        let before: Vec<f32> = (0..placement.allocation).map(|_| random.unit() + 10.0).collect();
        let (mut first, mut second) = (before.clone(), before.clone());
        let mut ssim = nan(1);
        let (a, b) = (&mut first[placement.offset..], &mut second[placement.offset..]);
        fused_ssim::value_and_grad(&problem, &x, &y, &mut ssim, Some(a), Some(b)).expect("value_and_grad");
        for after in [first, second] {
            for (i, (after, before)) in after.iter().zip(&before).enumerate() {
                assert_eq!(after.to_bits() != before.to_bits(), own[i], "{name}: element {i}");
            }
        }
    }
}

#[test]
fn inputs_may_be_broadcast() {
    let size @ [n, c, h, w] = [3, 2, 19, 23];
    let (x, _) = images(Kind::Noise, size);
    let (plane, _) = images(Kind::Photo, [1, 1, h, w]);
    let repeated: Vec<f32> = plane.iter().copied().cycle().take(n * c * h * w).collect();
    let dense = problem(size, &Options::default());
    let broadcast = problem(size, &Options { img2: Layout::strided(0, 0, w as i64, 1), ..Options::default() });
    let factors = upstream(1);
    let want = every_way(&dense, &x, &repeated, &factors);
    for (got, want) in every_way(&broadcast, &x, &plane, &factors).iter().zip(&want) {
        assert_eq!(bits(got.ssim.as_deref()), bits(want.ssim.as_deref()), "{}", got.name);
        assert_eq!(got.grads, want.grads, "{}", got.name);
    }
}

#[test]
fn saved_margins_are_zero() {
    for size in [[2, 1, 30, 41], [1, 2, 16, 16]] {
        for padding in PADDINGS {
            let (x, y) = images(Kind::Noise, size);
            let problem = problem(size, &Options { padding, ..Options::default() });
            let (mut ssim, mut saved) = (nan(1), nan(problem.saved_elements()));
            fused_ssim::forward(&problem, &x, &y, &mut ssim, Some(&mut saved)).expect("forward");
            let (pitch, h) = (problem.saved_pitch(), problem.shape.h);
            for (i, value) in saved.iter().enumerate() {
                let (row, column) = (i / pitch % h, i % pitch);
                let inside = (problem.map.top..problem.map.bottom()).contains(&row)
                    && (problem.map.left..problem.map.right()).contains(&column);
                assert!(value.is_finite() && (inside || *value == 0.0), "{padding:?} row {row} column {column}");
            }
        }
    }
}

#[test]
fn offsets_above_32_bits() {
    let size @ [_, _, h, w] = [2, 1, 24, 33];
    let (x, y) = images(Kind::Noise, size);
    // The second image lies 2^33 bytes and more behind the first.
    let far = (1usize << 31) + 12_345;
    let options = Options {
        img1: Layout::strided(far as i64, 0, w as i64, 1),
        grad_img1: Layout::strided(far as i64, far as i64, w as i64, 1),
        ..Options::default()
    };
    let problem: Problem = problem(size, &options);
    let Some(mut memory) = Sparse::new(2 * problem.img1.extent) else {
        skip("offsets_above_32_bits", "the system refuses 34 GiB of address space");
        return;
    };
    let (image, grad) = memory.as_mut_slice().split_at_mut(problem.img1.extent);
    image[..h * w].copy_from_slice(&x[..h * w]);
    image[far..].copy_from_slice(&x[h * w..]);
    let mut ssim = nan(1);
    fused_ssim::value_and_grad(&problem, image, &y, &mut ssim, Some(grad), None).expect("value_and_grad");
    let (want, [want_grad, _]) =
        crate::harness::value_and_grad(&crate::harness::problem(size, &Options::default()), &x, &y, [true, false]);
    let want_grad = want_grad.expect("asked for");
    assert_eq!(ssim, want);
    assert_eq!((&grad[..h * w], &grad[far..]), want_grad.split_at(h * w));
}

/// Zeroed memory of which only the touched pages exist.
struct Sparse {
    start: *mut f32,
    length: usize,
}

impl Sparse {
    fn new(length: usize) -> Option<Self> {
        // SAFETY: a fresh anonymous mapping.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length * size_of::<f32>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        (start != libc::MAP_FAILED).then_some(Sparse { start: start.cast(), length })
    }

    fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: the mapping is that long, zeroed and borrowed from `self`.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }
}

impl Drop for Sparse {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`.
        unsafe { libc::munmap(self.start.cast(), self.length * size_of::<f32>()) };
    }
}
