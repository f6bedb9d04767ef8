//! The filter window.

/// Taps of the window in each direction.
pub const WINDOW_TAPS: usize = crate::geometry::WINDOW_TAPS as usize;

/// A separable window: the same taps in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Taps, symmetric, of sum 1 within rounding.
    pub taps: [f32; WINDOW_TAPS],
}

impl Window {
    /// `gaussian_taps`, rounded to f32.
    pub fn gaussian(sigma: f64) -> Self {
        Window { taps: gaussian_taps(sigma).map(|tap| tap as f32) }
    }
}

/// A Gaussian sampled at the pixel centres and normalised.
pub(crate) fn gaussian_taps(sigma: f64) -> [f64; WINDOW_TAPS] {
    let centre = (WINDOW_TAPS / 2) as f64;
    let raw: [f64; WINDOW_TAPS] = std::array::from_fn(|i| {
        let distance = (i as f64 - centre) / sigma;
        (-0.5 * distance * distance).exp()
    });
    let sum: f64 = raw.iter().sum();
    raw.map(|tap| tap / sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_taps_are_the_published_ones() {
        let window = Window::gaussian(1.5);
        assert_eq!(window.taps[5], 0.266_011_72);
        assert_eq!(window.taps[0], 0.001_028_380_1);
        let sum: f64 = window.taps.iter().map(|&tap| f64::from(tap)).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{sum}");
    }

    #[test]
    fn extreme_sigmas_stay_normalised() {
        assert_eq!(Window::gaussian(1e-300).taps[5], 1.0);
        assert_eq!(Window::gaussian(1e-300).taps[4], 0.0);
        let flat = Window::gaussian(1e300);
        assert!(flat.taps.iter().all(|&tap| tap == (1.0f64 / 11.0) as f32));
    }
}
