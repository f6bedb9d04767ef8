//! The filter window.

use crate::status::{Error, Result};

/// Taps of the default window in each direction, the one that both backends are tuned for.
pub const WINDOW_TAPS: usize = crate::geometry::WINDOW_TAPS as usize;

/// The most taps that a window may have.
pub const MAX_WINDOW_TAPS: usize = 33;

/// The narrowest Gaussian window of the default size for which f32 keeps the promised accuracy. What a narrower one sees varies
/// little beside pixels a few steps away, and sums of squares that begin at one of these lose too much of its variance: at
/// sigma 0.65 map values were off by up to 9e-6 on the CPU and by 2e-5 in CUDA's tiles.
pub(crate) const MIN_SIGMA: f64 = 0.8;

/// The same for CUDA's strips, in which that pixel may be farther away: at sigma 1.1 map values were off by 1.4e-5.
pub(crate) const MIN_STRIP_SIGMA: f64 = 1.5;

/// The form of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WindowShape {
    /// A Gaussian, sampled at the pixel centres.
    #[default]
    Gaussian,
    /// Equal taps.
    Uniform,
}

/// A separable window: the same taps in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    taps: [f64; MAX_WINDOW_TAPS],
    size: usize,
    shape: WindowShape,
    sigma: f64,
}

/// Whether a window may have this size: odd, 3 to 33.
pub(crate) fn check_size(size: i64) -> Result<usize> {
    usize::try_from(size).ok().filter(|size| (3..=MAX_WINDOW_TAPS).contains(size) && size % 2 == 1).ok_or_else(|| {
        Error::Option(format!("window_size is {size}; expected an odd number from 3 to {MAX_WINDOW_TAPS}"))
    })
}

impl Window {
    /// A window of `size` taps, odd, 3 to 33, computed and normalised in f64.
    pub fn new(shape: WindowShape, size: usize, sigma: f64) -> Result<Self> {
        let size = check_size(i64::try_from(size).unwrap_or(i64::MAX))?;
        let weight = |i: usize| match shape {
            WindowShape::Gaussian => {
                let distance = (i as f64 - (size / 2) as f64) / sigma;
                (-0.5 * distance * distance).exp()
            }
            WindowShape::Uniform => 1.0,
        };
        let sum: f64 = (0..size).map(weight).sum();
        let mut taps = [0.0; MAX_WINDOW_TAPS];
        for (i, tap) in taps[..size].iter_mut().enumerate() {
            *tap = weight(i) / sum;
        }
        Ok(Window { taps, size, shape, sigma })
    }

    /// The taps, symmetric, of sum 1 within rounding.
    pub fn taps(&self) -> &[f64] {
        &self.taps[..self.size]
    }

    /// The form.
    pub fn shape(&self) -> WindowShape {
        self.shape
    }

    /// Number of taps.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Taps on each side of the centre.
    pub fn radius(&self) -> usize {
        self.size / 2
    }

    /// Whether this is a Gaussian whose standard deviation is below `sigma`.
    pub(crate) fn is_narrower(&self, sigma: f64) -> bool {
        self.shape == WindowShape::Gaussian && self.sigma < sigma
    }

    /// The taps rounded to f32, if they are as many as those of the default window.
    pub fn default_size(&self) -> Option<[f32; WINDOW_TAPS]> {
        (self.size == WINDOW_TAPS).then(|| std::array::from_fn(|i| self.taps[i] as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(sigma: f64) -> Window {
        Window::new(WindowShape::Gaussian, WINDOW_TAPS, sigma).expect("a valid size")
    }

    #[test]
    fn default_taps_are_the_published_ones() {
        let taps = gaussian(1.5).default_size().expect("this is the default size");
        assert_eq!(taps[5], 0.266_011_72);
        assert_eq!(taps[0], 0.001_028_380_1);
        let sum: f64 = taps.iter().map(|&tap| f64::from(tap)).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{sum}");
    }

    #[test]
    fn extreme_sigmas_stay_normalised() {
        assert_eq!(gaussian(1e-300).taps()[5], 1.0);
        assert_eq!(gaussian(1e-300).taps()[4], 0.0);
        let flat = gaussian(1e300);
        assert!(flat.taps().iter().all(|&tap| tap == 1.0 / 11.0));
        let uniform = Window::new(WindowShape::Uniform, 11, 1.5).expect("a valid size");
        assert_eq!(uniform.taps(), flat.taps());
    }

    #[test]
    fn a_window_is_as_wide_as_its_sigma() {
        assert!(gaussian(0.79).is_narrower(0.8) && !gaussian(0.8).is_narrower(0.8));
        assert!(!Window::new(WindowShape::Uniform, 11, 0.1).expect("a valid size").is_narrower(0.8));
    }

    #[test]
    fn sizes_are_odd_and_not_too_large() {
        for size in [0, 1, 2, 4, 10, 34, 35, usize::MAX] {
            assert!(matches!(Window::new(WindowShape::Gaussian, size, 1.5), Err(Error::Option(_))), "{size}");
        }
        for size in (3..=33).step_by(2) {
            let window = Window::new(WindowShape::Uniform, size, 1.5).expect("a valid size");
            assert_eq!((window.taps().len(), window.radius()), (size, size / 2));
            assert_eq!(window.default_size().is_some(), size == WINDOW_TAPS);
        }
    }
}
