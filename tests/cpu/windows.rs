//! Windows of every size and both shapes.

use fused_ssim::{Error, Options, Padding, Problem, Reduction, Shape, WindowShape};

use crate::harness::{OUTPUTS, PADDINGS, REDUCTIONS, check, check_within};
use crate::support::{KINDS, Kind, SIZES, Size, images};

fn fits(options: &Options, [_, _, h, w]: Size) -> bool {
    options.padding == Padding::Same || h.min(w) >= options.window_size
}

fn gaussian(window_size: usize) -> Options {
    Options { window_size, ..Options::default() }
}

fn uniform(window_size: usize) -> Options {
    Options { window: WindowShape::Uniform, window_size, ..Options::default() }
}

#[test]
fn of_every_size() {
    let size = [1, 2, 45, 70];
    let (x, y) = images(Kind::Photo, size);
    for window_size in (3..=33).step_by(2) {
        for padding in PADDINGS {
            let sigma = window_size as f64 / 7.0;
            check(size, &Options { padding, sigma, ..gaussian(window_size) }, &x, &y, &format!("{window_size} taps"));
            check(size, &Options { padding, ..uniform(window_size) }, &x, &y, &format!("{window_size} equal taps"));
        }
    }
}

#[test]
fn for_every_kind_reduction_and_output() {
    let size = [2, 3, 21, 18];
    for options in [gaussian(7), uniform(11), uniform(17)] {
        for &kind in KINDS {
            let (x, y) = images(kind, size);
            for padding in PADDINGS {
                for reduction in REDUCTIONS {
                    for output in OUTPUTS {
                        let options = Options { padding, reduction, output, ..options.clone() };
                        check(size, &options, &x, &y, &format!("{kind:?} {:?} {output:?}", options.window));
                    }
                }
            }
        }
    }
}

#[test]
fn at_every_size_of_image() {
    // The oracle is slow for large windows.
    for &(size, why) in SIZES.iter().filter(|(size, _)| size.iter().product::<usize>() < 100_000) {
        let (x, y) = images(Kind::Noise, size);
        for options in [gaussian(9), uniform(33)] {
            for padding in PADDINGS {
                let options = Options { padding, ..options.clone() };
                if fits(&options, size) {
                    check(size, &options, &x, &y, why);
                }
            }
        }
    }
}

#[test]
fn around_tiles_and_blocks() {
    for (h, w) in [(31, 47), (32, 48), (33, 49), (63, 127), (64, 128), (65, 129), (129, 257)] {
        let size = [1, 1, h, w];
        let (x, y) = images(Kind::Photo, size);
        for padding in PADDINGS {
            for reduction in [Reduction::Mean, Reduction::Map] {
                for options in [uniform(3), gaussian(13), uniform(17), gaussian(19)] {
                    check(size, &Options { padding, reduction, ..options }, &x, &y, "around tiles and blocks");
                }
            }
        }
    }
}

#[test]
fn over_several_strips_and_chunks() {
    for size in [[1, 1, 270, 530], [1, 2, 40, 1050]] {
        let (x, y) = images(Kind::Photo, size);
        for options in [uniform(7), gaussian(17)] {
            for padding in PADDINGS {
                let options = Options { padding, reduction: Reduction::PerChannel, ..options.clone() };
                check(size, &options, &x, &y, "strips and chunks");
            }
        }
    }
}

#[test]
fn where_one_image_is_a_darker_copy() {
    // The tolerance of the default window: see accuracy.rs.
    let size = [1, 1, 64, 90];
    let (x, _) = images(Kind::Photo, size);
    let darker: Vec<f32> = x.iter().map(|pixel| 0.7 * pixel + 0.1).collect();
    for options in [uniform(3), uniform(7), gaussian(17)] {
        check_within(1e-5, size, &options, &x, &darker, "darker copy");
    }
}

#[test]
fn that_do_not_exist_are_refused() {
    let shape = Shape::new(1, 1, 40, 40).expect("a shape");
    for window_size in [0, 1, 2, 4, 12, 34, 35] {
        for options in [gaussian(window_size), uniform(window_size)] {
            let error = Problem::new(shape, &options).expect_err("no such window");
            assert!(matches!(error, Error::Option(_)) && error.to_string().contains("window_size"), "{error:?}");
        }
    }
    for (h, w) in [(40, 16), (16, 40)] {
        let options = Options { padding: Padding::Valid, ..gaussian(17) };
        let error = Problem::new(Shape::new(1, 1, h, w).expect("a shape"), &options).expect_err("too small");
        assert!(matches!(error, Error::Shape(_)) && error.to_string().contains("17"), "{error:?}");
    }
}

#[test]
fn nan_reaches_what_sees_it_and_nothing_else() {
    let (h, w) = (40usize, 60usize);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (options, (row, column)) in [
            (gaussian(3), (0, 0)),
            (gaussian(7), (17, 29)),
            (uniform(7), (8, 8)),
            (uniform(15), (15, 16)),
            (uniform(17), (24, 59)),
            (gaussian(19), (20, 30)),
        ] {
            let (mut x, y) = images(Kind::Noise, [1, 1, h, w]);
            x[row * w + column] = bad;
            let radius = options.window_size / 2;
            let options = Options { reduction: Reduction::Map, sigma: 2.0, ..options };
            let problem = crate::harness::problem([1, 1, h, w], &options);
            let (map, grads) = crate::harness::value_and_grad(&problem, &x, &y, [true, true]);
            for (index, value) in map.iter().enumerate() {
                let reach = (index / w).abs_diff(row).max((index % w).abs_diff(column));
                assert_eq!(value.is_nan(), reach <= radius, "{radius} map {index}: {value}");
                assert_eq!(value.is_finite(), reach > radius, "{radius} map {index}: {value}");
                for grad in grads.iter().flatten() {
                    assert_eq!(grad[index].is_nan(), reach <= 2 * radius, "{radius} gradient {index}: {}", grad[index]);
                }
            }
        }
    }
}

#[test]
fn identical_images_are_exactly_one() {
    let size = [1, 3, 30, 40];
    let (x, _) = images(Kind::Photo, size);
    for options in [gaussian(7), uniform(15)] {
        let problem = crate::harness::problem(size, &Options { reduction: Reduction::Map, ..options });
        let (map, grads) = crate::harness::value_and_grad(&problem, &x, &x, [true, true]);
        assert!(map.iter().all(|&value| value == 1.0));
        assert!(grads.iter().flatten().flatten().all(|&value| value == 0.0));
    }
}
