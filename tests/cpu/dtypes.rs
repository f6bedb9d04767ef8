//! Every element type in every layout, padding and reduction, against the oracle.

use fused_ssim::{
    Dtype, Error, Layout, Options, Output, Padding, Pixels, PixelsMut, Problem, Reduction, SavedFor, ValuesMut,
};

use crate::elements::{Memory, half};
use crate::harness::{GRADIENT_TOLERANCE, PADDINGS, REDUCTIONS, VALUE_TOLERANCE, oracle_for, problem};
use crate::support::{Kind, Random, Size, images, to_f64, upstream};

/// The oracle and the f64 computation differ by what f64 rounds.
const F64_TOLERANCE: f64 = 1e-11;

/// Half the distance of neighbouring numbers of the type, relative to them.
fn rounding(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F32 => GRADIENT_TOLERANCE,
        Dtype::F16 => 2f64.powi(-11),
        Dtype::Bf16 => 2f64.powi(-8),
        Dtype::F64 => F64_TOLERANCE,
        Dtype::U8 => panic!("there are no gradients of bytes"),
    }
}

const OUTPUTS: [Output; 3] = [Output::Ssim, Output::OneMinusSsim, Output::Dssim];
const LAYOUTS: [&str; 3] = ["dense", "interleaved", "cropped"];

/// Strides, the offset of the first element, and the elements of the allocation.
fn place(name: &str, [n, c, h, w]: Size) -> ([usize; 4], usize, usize) {
    match name {
        "dense" => ([c * h * w, h * w, w, 1], 0, n * c * h * w),
        "interleaved" => ([h * w * c, 1, w * c, c], 0, n * c * h * w),
        "cropped" => {
            let (rows, pitch) = (h + 3, w + 7);
            ([c * rows * pitch, rows * pitch, pitch, 1], pitch + 5, n * c * rows * pitch)
        }
        other => panic!("no such layout: {other}"),
    }
}

fn indices([n, c, h, w]: Size, strides: [usize; 4]) -> impl Iterator<Item = usize> {
    (0..n * c * h * w).map(move |i| {
        let index = [i / (c * h * w), i / (h * w) % c, i / w % h, i % w];
        index.iter().zip(strides).map(|(index, stride)| index * stride).sum()
    })
}

/// An image or gradient somewhere in memory.
pub struct Placed {
    pub memory: Memory,
    strides: [usize; 4],
    pub offset: usize,
    pub layout: Layout,
}

impl Placed {
    pub fn new(size: Size, dtype: Dtype, layout: &str) -> Self {
        let (strides, offset, allocation) = place(layout, size);
        let [n, c, h, w] = strides.map(|stride| stride as i64);
        let layout = Layout::strided(n, c, h, w).with_dtype(dtype);
        Placed { memory: Memory::poison(dtype, allocation), strides, offset, layout }
    }

    pub fn image(size: Size, dtype: Dtype, layout: &str, dense: &[f32]) -> Self {
        let mut placed = Placed::new(size, dtype, layout);
        for (i, &value) in indices(size, placed.strides).zip(dense) {
            placed.memory.set(placed.offset + i, f64::from(value));
        }
        placed
    }

    /// The elements in dense order, as stored.
    pub fn dense(&self, size: Size) -> Vec<f64> {
        indices(size, self.strides).map(|i| self.memory.get(self.offset + i)).collect()
    }
}

fn error_norm(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let difference: f64 = got.iter().zip(want).map(|(got, want)| (got - want).powi(2)).sum();
    let norm: f64 = want.iter().map(|want| want * want).sum();
    let error = (difference / norm).sqrt();
    if error.is_nan() { f64::INFINITY } else { error }
}

fn largest_error(got: &[f64], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let errors = got.iter().zip(want).map(|(got, want)| (got - want).abs());
    errors.fold(0.0, |largest, error| if error.is_nan() { f64::INFINITY } else { largest.max(error) })
}

/// One cell of the matrix: every operation, compared with the oracle.
struct Cell {
    size: Size,
    dtypes: [Dtype; 2],
    grad_dtypes: [Dtype; 2],
    layouts: [&'static str; 4],
    options: Options,
    scales: [f64; 2],
}

impl Cell {
    fn check(&self) {
        let label = format!(
            "{:?} {:?} -> {:?} {:?} {:?} {:?} {:?} scales {:?}",
            self.size,
            self.dtypes,
            self.grad_dtypes,
            self.layouts,
            self.options.padding,
            self.options.reduction,
            self.options.output,
            self.scales
        );
        let (x, y) = images(Kind::Photo, self.size);
        let dense = [x, y];
        let [first, second] = [0, 1].map(|i| Placed::image(self.size, self.dtypes[i], self.layouts[i], &dense[i]));
        let mut gradients = [0, 1].map(|i| Placed::new(self.size, self.grad_dtypes[i], self.layouts[2 + i]));
        let problem = problem(
            self.size,
            &Options {
                img1: first.layout.with_scale(self.scales[0]),
                img2: second.layout.with_scale(self.scales[1]),
                grad_img1: gradients[0].layout,
                grad_img2: gradients[1].layout,
                saved_for: SavedFor { img1: true, img2: true },
                ..self.options.clone()
            },
        );

        // What the library is to compute: the stored elements times their scale.
        let scales = [0, 1].map(|i| match (self.scales[i], self.dtypes[i]) {
            (0.0, Dtype::U8) => self.options.data_range / 255.0,
            (0.0, _) => 1.0,
            (scale, _) => scale,
        });
        let scaled = |placed: &Placed, scale: f64| -> Vec<f64> {
            placed.dense(self.size).iter().map(|element| scale * element).collect()
        };
        let (x, y) = (scaled(&first, scales[0]), scaled(&second, scales[1]));
        let oracle = oracle_for(self.size, &self.options);
        let factors = upstream(problem.values());
        let plain = oracle.answer(&x, &y, None);
        let with_factors = oracle.answer(&x, &y, Some(&to_f64(&factors)));

        let exact = problem.precision() == Dtype::F64;
        let value_tolerance = if exact { F64_TOLERANCE } else { VALUE_TOLERANCE };
        let (img1, img2) = (first.memory.pixels(first.offset), second.memory.pixels(second.offset));
        let factors = if exact { Memory::F64(to_f64(&factors)) } else { Memory::F32(factors) };

        let compare_gradients = |gradients: &[Placed; 2], want: [&[f64]; 2], what: &str| {
            for i in 0..2 {
                // The gradient is that of the stored elements, in units where 16-bit types do not underflow.
                let want: Vec<f64> = want[i].iter().map(|g| g * scales[i]).collect();
                let got = gradients[i].dense(self.size);
                let error = error_norm(&got, &want);
                // The halves below 2^-14 are all 2^-24 apart.
                let subnormal = if self.grad_dtypes[i] == Dtype::F16 { 2f64.powi(-25) } else { 0.0 };
                let norm = want.iter().map(|want| want * want).sum::<f64>().sqrt();
                let rounded = rounding(self.grad_dtypes[i]) + subnormal * (want.len() as f64).sqrt() / norm;
                let tolerance = rounded + if exact { 0.0 } else { GRADIENT_TOLERANCE };
                assert!(error <= tolerance, "{label}: {what}: gradient {} is off by {error:.2e}", i + 1);
            }
        };

        let mut ssim = Memory::poison(problem.precision(), problem.values());
        let mut saved = Memory::poison(problem.precision(), problem.saved_elements());
        fused_ssim::forward_pixels(&problem, img1, img2, ssim.values_mut(), Some(saved.values_mut())).expect(&label);
        let error = largest_error(&ssim.to_f64(), &plain.ssim);
        assert!(error <= value_tolerance, "{label}: forward is off by {error:.2e}");

        let value = ssim.to_f64();
        let mut ssim = Memory::poison(problem.precision(), problem.values());
        let [a, b] = &mut gradients;
        let (grad1, grad2) = (a.memory.pixels_mut(a.offset), b.memory.pixels_mut(b.offset));
        fused_ssim::value_and_grad_pixels(&problem, img1, img2, ssim.values_mut(), Some(grad1), Some(grad2))
            .expect(&label);
        let error = largest_error(&ssim.to_f64(), &value);
        assert!(error <= value_tolerance, "{label}: value_and_grad's value is off by {error:.2e}");
        compare_gradients(&gradients, [&plain.grad_img1, &plain.grad_img2], "value_and_grad");

        for saved in [None, Some(saved.values())] {
            let mut again = [0, 1].map(|i| Placed::new(self.size, self.grad_dtypes[i], self.layouts[2 + i]));
            let [a, b] = &mut again;
            let (grad1, grad2) = (a.memory.pixels_mut(a.offset), b.memory.pixels_mut(b.offset));
            let seed = Some(factors.values());
            fused_ssim::backward_pixels(&problem, img1, img2, saved, seed, Some(grad1), Some(grad2)).expect(&label);
            let want = [&with_factors.grad_img1[..], &with_factors.grad_img2[..]];
            compare_gradients(&again, want, if saved.is_some() { "backward, saved" } else { "backward, recomputed" });
        }
        self.check_single_gradients(&problem, img1, img2, &gradients);
        self.check_surroundings(&gradients, &label);
    }

    /// A gradient that is asked for alone is the one that comes with the other, to the rounding of the computation.
    fn check_single_gradients(&self, problem: &Problem, img1: Pixels<'_>, img2: Pixels<'_>, both: &[Placed; 2]) {
        for i in 0..2 {
            let mut alone = Placed::new(self.size, self.grad_dtypes[i], self.layouts[2 + i]);
            let mut ssim = Memory::poison(problem.precision(), problem.values());
            let mut wanted = [None, None];
            wanted[i] = Some(alone.memory.pixels_mut(alone.offset));
            let [first, second] = wanted;
            fused_ssim::value_and_grad_pixels(problem, img1, img2, ssim.values_mut(), first, second)
                .expect("value_and_grad_pixels");
            let error = error_norm(&alone.dense(self.size), &both[i].dense(self.size));
            assert!(error <= 2.0 * rounding(self.grad_dtypes[i]), "gradient {} alone is off by {error:.2e}", i + 1);
        }
    }

    /// What lies around a gradient's elements is as it was.
    fn check_surroundings(&self, gradients: &[Placed; 2], label: &str) {
        for (gradient, dtype) in gradients.iter().zip(self.grad_dtypes) {
            let all = gradient.memory.to_f64();
            let Memory::F64(poison) = Memory::poison(Dtype::F64, all.len()) else { unreachable!() };
            assert_eq!(all.len(), poison.len());
            let mut own = vec![false; all.len()];
            indices(self.size, gradient.strides).for_each(|i| own[gradient.offset + i] = true);
            for (i, value) in all.iter().enumerate() {
                assert_eq!(value.is_nan(), !own[i], "{label}: element {i} of a gradient of {dtype:?}");
            }
        }
    }
}

/// Larger gradients than those of a mean over many pixels, which 16-bit types round to zero.
fn size_for(reduction: Reduction) -> Size {
    match reduction {
        Reduction::Map => [2, 3, 21, 37],
        _ => [2, 3, 13, 18],
    }
}

#[test]
fn every_dtype_in_every_layout_padding_and_reduction() {
    let all = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::U8];
    let of_gradients = [Dtype::F32, Dtype::F16, Dtype::Bf16];
    let mut turn = 0;
    for first in all {
        for second in all {
            for padding in PADDINGS {
                for reduction in REDUCTIONS {
                    // Layouts and the types of gradients take turns, so that each meets each.
                    turn += 1;
                    Cell {
                        size: size_for(reduction),
                        dtypes: [first, second],
                        grad_dtypes: [of_gradients[turn % 3], of_gradients[turn / 3 % 3]],
                        layouts: [0, 1, 2, 4].map(|k| LAYOUTS[(turn / 2 + k) % 3]),
                        options: Options { padding, reduction, output: OUTPUTS[turn / 5 % 3], ..Options::default() },
                        scales: [0.0; 2],
                    }
                    .check();
                }
            }
        }
    }
}

#[test]
fn doubles_in_every_layout_padding_and_reduction() {
    for layouts in [
        ["dense", "dense", "dense", "dense"],
        ["interleaved", "cropped", "dense", "interleaved"],
        ["cropped", "interleaved", "interleaved", "cropped"],
    ] {
        for padding in PADDINGS {
            for reduction in REDUCTIONS {
                for (i, size) in [size_for(reduction), [1, 2, 70, 20], [1, 1, 11, 530]].into_iter().enumerate() {
                    Cell {
                        size,
                        dtypes: [Dtype::F64; 2],
                        grad_dtypes: [Dtype::F64; 2],
                        layouts,
                        options: Options { padding, reduction, output: OUTPUTS[i], ..Options::default() },
                        scales: [0.0; 2],
                    }
                    .check();
                }
            }
        }
    }
}

#[test]
fn over_several_tiles_and_strips() {
    for dtypes in [[Dtype::U8, Dtype::F32], [Dtype::F16, Dtype::Bf16], [Dtype::F64, Dtype::F64]] {
        let exact = dtypes[0] == Dtype::F64;
        for layouts in [["dense"; 4], ["interleaved"; 4]] {
            Cell {
                size: [1, 3, 140, 530],
                dtypes,
                grad_dtypes: [if exact { Dtype::F64 } else { Dtype::F32 }; 2],
                layouts,
                options: Options::default(),
                scales: [0.0; 2],
            }
            .check();
        }
    }
}

#[test]
fn with_scales_and_ranges_of_their_own() {
    for (dtypes, scales, data_range) in [
        // Bytes as they are, against floats in the same range.
        ([Dtype::U8, Dtype::F32], [1.0, 255.0], 255.0),
        ([Dtype::U8, Dtype::U8], [1.0, 1.0], 255.0),
        // By default bytes span the range.
        ([Dtype::U8, Dtype::F32], [0.0, 255.0], 255.0),
        ([Dtype::F16, Dtype::U8], [0.5, 0.5 / 255.0], 0.5),
        ([Dtype::F32, Dtype::Bf16], [3.0, 3.0], 3.0),
        ([Dtype::F64, Dtype::F64], [2.0, 2.0], 2.0),
        // A negative.
        ([Dtype::F32, Dtype::F32], [-1.0, -1.0], 1.0),
    ] {
        let gradient = if dtypes[0] == Dtype::F64 { Dtype::F64 } else { Dtype::F32 };
        for reduction in [Reduction::Mean, Reduction::Map] {
            Cell {
                size: [1, 2, 19, 33],
                dtypes,
                grad_dtypes: [gradient; 2],
                layouts: ["dense", "interleaved", "cropped", "dense"],
                options: Options { data_range, reduction, ..Options::default() },
                scales,
            }
            .check();
        }
    }
}

#[test]
fn sixteen_bit_pixels_are_computed_as_the_floats_they_are() {
    let size = [1, 2, 40, 50];
    let mut random = Random::new(5);
    for (dtype, widen) in [
        (Dtype::F16, (|bits| half(bits) as f32) as fn(u16) -> f32),
        (Dtype::Bf16, |bits| f32::from_bits(u32::from(bits) << 16)),
    ] {
        let bits: Vec<u16> = (0..2 * 40 * 50).map(|_| (random.unit() * f32::from(0x3c00u16)) as u16).collect();
        let wide: Vec<f32> = bits.iter().map(|&bits| widen(bits)).collect();
        let other: Vec<f32> = (0..wide.len()).map(|_| random.unit()).collect();
        let layout = Layout::DENSE.with_dtype(dtype);
        let narrow = problem(size, &Options { img1: layout, ..Options::default() });
        let plain = problem(size, &Options::default());
        let pixels = if dtype == Dtype::F16 { Pixels::F16(&bits) } else { Pixels::Bf16(&bits) };
        let (mut got, mut want) = ([f32::NAN], [f32::NAN]);
        let (mut got_grad, mut want_grad) = (vec![f32::NAN; wide.len()], vec![f32::NAN; wide.len()]);
        let grad = Some(PixelsMut::F32(&mut got_grad));
        fused_ssim::value_and_grad_pixels(&narrow, pixels, Pixels::F32(&other), ValuesMut::F32(&mut got), grad, None)
            .expect("value_and_grad_pixels");
        fused_ssim::value_and_grad(&plain, &wide, &other, &mut want, Some(&mut want_grad), None).expect("plain");
        assert_eq!(got, want, "{dtype:?}");
        assert!(got_grad == want_grad, "{dtype:?}");
    }
}

#[test]
fn doubles_have_the_same_bits_with_any_threads() {
    let size = [1, 2, 200, 600];
    let (x, y) = images(Kind::Noise, size);
    let (x, y) = (to_f64(&x), to_f64(&y));
    let layout = Layout::DENSE.with_dtype(Dtype::F64);
    let options = Options { img1: layout, img2: layout, grad_img1: layout, ..Options::default() };
    let problem = problem(size, &options);
    let mut results = Vec::new();
    for threads in [1, 2, 16] {
        fused_ssim::set_num_threads(threads);
        let (mut ssim, mut grad) = ([f64::NAN], vec![f64::NAN; x.len()]);
        fused_ssim::value_and_grad_pixels(
            &problem,
            Pixels::F64(&x),
            Pixels::F64(&y),
            ValuesMut::F64(&mut ssim),
            Some(PixelsMut::F64(&mut grad)),
            None,
        )
        .expect("value_and_grad_pixels");
        results.push((ssim[0].to_bits(), grad.iter().map(|g| g.to_bits()).collect::<Vec<u64>>()));
    }
    fused_ssim::set_num_threads(0);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn identical_doubles_give_exactly_one() {
    let size = [1, 1, 30, 40];
    let (x, _) = images(Kind::Photo, size);
    let x = to_f64(&x);
    let layout = Layout::DENSE.with_dtype(Dtype::F64);
    for reduction in [Reduction::Mean, Reduction::Map] {
        let problem = problem(size, &Options { img1: layout, img2: layout, reduction, ..Options::default() });
        let mut ssim = vec![f64::NAN; problem.values()];
        fused_ssim::forward_pixels(&problem, Pixels::F64(&x), Pixels::F64(&x), ValuesMut::F64(&mut ssim), None)
            .expect("forward_pixels");
        assert!(ssim.iter().all(|&value| value == 1.0));
    }
}

#[test]
fn nan_in_doubles_reaches_what_sees_it_and_no_more() {
    let size @ [_, _, h, w] = [1, 1, 40, 50];
    let (x, y) = images(Kind::Noise, size);
    let (mut x, y) = (to_f64(&x), to_f64(&y));
    x[17 * w + 31] = f64::NAN;
    let layout = Layout::DENSE.with_dtype(Dtype::F64);
    let options =
        Options { img1: layout, img2: layout, grad_img2: layout, reduction: Reduction::Map, ..Options::default() };
    let problem = problem(size, &options);
    let (mut map, mut grad) = (vec![0.0; h * w], vec![0.0; h * w]);
    fused_ssim::value_and_grad_pixels(
        &problem,
        Pixels::F64(&x),
        Pixels::F64(&y),
        ValuesMut::F64(&mut map),
        None,
        Some(PixelsMut::F64(&mut grad)),
    )
    .expect("value_and_grad_pixels");
    for row in 0..h {
        for column in 0..w {
            let reach = row.abs_diff(17).max(column.abs_diff(31));
            assert_eq!(map[row * w + column].is_nan(), reach <= 5, "map {row} {column}");
            assert_eq!(grad[row * w + column].is_nan(), reach <= 10, "gradient {row} {column}");
        }
    }
}

#[test]
fn types_that_do_not_go_together_are_refused() {
    let shape = fused_ssim::Shape::new(1, 1, 12, 12).expect("a shape");
    let of = |dtype| Layout::DENSE.with_dtype(dtype);
    let base = Options { padding: Padding::Same, ..Options::default() };
    for (options, text) in [
        (Options { img1: of(Dtype::F64), ..base.clone() }, "img2: dtype is F32"),
        (Options { img2: of(Dtype::F64), ..base.clone() }, "img2: dtype is F64"),
        (Options { grad_img1: of(Dtype::U8), ..base.clone() }, "grad_img1: dtype is U8"),
        (Options { img2: Layout::DENSE.with_scale(f64::NAN), ..base.clone() }, "img2: scale is NaN"),
        (Options { img1: Layout::DENSE.with_scale(1e-300), ..base.clone() }, "img1: scale is"),
    ] {
        let Err(Error::Layout(message)) = Problem::new(shape, &options) else { panic!("{text} was accepted") };
        assert!(message.contains(text), "{message}");
    }

    // Only gradients that are asked for must go with the images.
    let doubles = Options { img1: of(Dtype::F64), img2: of(Dtype::F64), ..base };
    let problem = Problem::new(shape, &doubles).expect("gradients may stay unused");
    let image = [0.5; 144];
    let (mut ssim, mut grad) = ([f64::NAN], [f32::NAN; 144]);
    let pixels = Pixels::F64(&image);
    let outcome = fused_ssim::value_and_grad_pixels(
        &problem,
        pixels,
        pixels,
        ValuesMut::F64(&mut ssim),
        Some(PixelsMut::F32(&mut grad)),
        None,
    );
    let Err(Error::Layout(message)) = outcome else { panic!("a gradient of f32 was accepted") };
    assert!(message.contains("grad_img1: dtype is F32"), "{message}");
    assert!(ssim[0].is_nan());
    // Slices of another type than the problem's.
    let mut short = [f32::NAN];
    for outcome in [
        fused_ssim::forward_pixels(&problem, Pixels::U8(&[1; 144]), pixels, ValuesMut::F64(&mut ssim), None),
        fused_ssim::forward_pixels(&problem, pixels, pixels, ValuesMut::F32(&mut short), None),
    ] {
        assert!(matches!(outcome, Err(Error::Layout(_))), "{outcome:?}");
    }
}
