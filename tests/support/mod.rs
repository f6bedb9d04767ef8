//! What the tests share: the f64 oracle, deterministic images, error measures and the list of sizes.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod oracle;

/// (N, C, H, W).
pub type Size = [usize; 4];

/// Sizes where bugs live. The large ones are last.
pub const SIZES: &[(Size, &str)] = &[
    ([1, 1, 1, 1], "a single pixel: the window is almost all padding"),
    ([1, 1, 5, 7], "smaller than the window both ways"),
    ([1, 1, 1, 40], "a single row"),
    ([1, 1, 40, 1], "a single column"),
    ([1, 1, 10, 10], "one less than the window"),
    ([2, 3, 11, 11], "exactly the window: one valid pixel"),
    ([1, 1, 12, 300], "few rows, many columns"),
    ([1, 1, 300, 12], "many rows, few columns"),
    ([2, 5, 101, 37], "odd sizes, odd number of channels"),
    ([70_000, 1, 4, 4], "batch above 65,535"),
    ([1, 3, 1080, 1920], "a real frame"),
];

/// Sizes one less than, equal to and one more than a tile of `rows` x `columns`, and of two tiles.
pub fn sizes_around(rows: usize, columns: usize) -> Vec<Size> {
    let around = |tile: usize| [tile - 1, tile, tile + 1, 2 * tile - 1, 2 * tile + 1];
    around(rows).into_iter().zip(around(columns)).map(|(h, w)| [1, 1, h, w]).collect()
}

/// A small linear congruential generator (the multiplier and increment of Knuth's MMIX), high bits out.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
        random.unit();
        random
    }

    /// Uniform in [0, 1), a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u32 << 24) as f32
    }
}

/// What a pair of test images looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Two independent uniform noises in [0, 1).
    Noise,
    /// Smooth shades with edges and flat bright regions; img2 is img1 with small errors, in places exactly img1. Here
    /// variances are differences of nearly equal numbers.
    Photo,
    /// img1 is 0.75 everywhere, img2 0.25.
    Constant,
    /// A photo-like image, twice.
    Identical,
}

/// All kinds.
pub const KINDS: &[Kind] = &[Kind::Noise, Kind::Photo, Kind::Constant, Kind::Identical];

/// A deterministic pair of images in [0, 1], dense NCHW.
pub fn images(kind: Kind, [n, c, h, w]: Size) -> (Vec<f32>, Vec<f32>) {
    let count = n * c * h * w;
    let mut random = Random::new(count as u64);
    match kind {
        Kind::Noise => {
            let img1 = (0..count).map(|_| random.unit()).collect();
            (img1, (0..count).map(|_| random.unit()).collect())
        }
        Kind::Constant => (vec![0.75; count], vec![0.25; count]),
        Kind::Photo | Kind::Identical => {
            let img1: Vec<f32> = (0..count).map(|i| shade(i / (h * w), i / w % h, i % w)).collect();
            if kind == Kind::Identical {
                return (img1.clone(), img1);
            }
            let img2 = img1
                .iter()
                .enumerate()
                .map(|(i, &x)| if i / 97 % 3 == 0 { x } else { (x + 0.02 * (random.unit() - 0.5)).clamp(0.0, 1.0) })
                .collect();
            (img1, img2)
        }
    }
}

/// A bright sky, a smooth gradient and a checked part.
fn shade(plane: usize, row: usize, column: usize) -> f32 {
    let (r, c) = (row as f32, column as f32);
    if row % 60 < 25 {
        0.98
    } else if column % 50 < 30 {
        0.5 + 0.3 * (0.05 * r + plane as f32).sin() * (0.03 * c).cos()
    } else if (row / 4 + column / 4).is_multiple_of(2) {
        0.9
    } else {
        0.1
    }
}

/// Upstream gradients in [-1, 1), deterministic.
pub fn upstream(length: usize) -> Vec<f32> {
    let mut random = Random::new(!(length as u64));
    (0..length).map(|_| 2.0 * random.unit() - 1.0).collect()
}

/// Exact conversion for the oracle.
pub fn to_f64(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// ||got - want|| / ||want|| (Euclidean); infinity if anything is NaN, or if `want` is zero and `got` is not.
pub fn relative_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let (mut difference, mut norm) = (0.0f64, 0.0f64);
    for (&got, &want) in got.iter().zip(want) {
        difference += (f64::from(got) - want).powi(2);
        norm += want * want;
    }
    match (difference / norm).sqrt() {
        _ if difference == 0.0 => 0.0,
        error if error.is_nan() => f64::INFINITY,
        error => error,
    }
}

/// The largest |got - want|; infinity if anything is NaN.
pub fn absolute_error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    got.iter()
        .zip(want)
        .map(|(&got, &want)| (f64::from(got) - want).abs())
        .fold(0.0, |largest, error| if error.is_nan() { f64::INFINITY } else { largest.max(error) })
}

/// Says that a test could not run here, in the words that tests/run looks for. With FSSIM_NO_SKIP=1 that is a failure.
pub fn skip(what: &str, why: &str) {
    assert!(std::env::var("FSSIM_NO_SKIP").as_deref() != Ok("1"), "skipped with FSSIM_NO_SKIP=1: {what}: {why}");
    println!("skipped: {what}: {why}");
}
