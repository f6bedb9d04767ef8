//! The units in which both backends compute with pixels in f32.

use crate::problem::Problem;

/// Pixels are brought to a range between 1/2 and 1, so that products of four of them overflow and underflow as late in every
/// range as in that of 1, by factors that round nothing if they can: the difference of nearly equal pixels would drown in
/// the roundings of their products.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Units {
    /// What the elements of both images are multiplied by: for at least one of them a power of two, for both where both have
    /// the same scale. Bytes beside floats keep their exact values that way.
    pub(crate) scales: [f64; 2],
    /// The range of scaled pixels.
    pub(crate) range: f64,
}

impl Units {
    pub(crate) fn new(problem: &Problem) -> Units {
        // In the unit of the elements with the finer scale.
        let [first, second] = problem.scales;
        let unit = first.abs().min(second.abs());
        let range = problem.constants.data_range / unit;
        let scale = (-range.log2()).floor().exp2();
        Units { scales: [first / unit * scale, second / unit * scale], range: range * scale }
    }

    /// What is compared with squares of pixels in a range of 1, such as k1^2, in these units.
    pub(crate) fn squared(self, of_range_one: f64) -> f32 {
        (of_range_one * self.range * self.range) as f32
    }

    /// What differences of scaled pixels are multiplied by to get those of the pixels.
    pub(crate) fn unscale(self, problem: &Problem) -> f64 {
        problem.scales[0] / self.scales[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use crate::options::Options;
    use crate::problem::Shape;

    fn units(scales: [f64; 2], data_range: f64) -> Units {
        let [img1, img2] = scales.map(|scale| Layout::DENSE.with_scale(scale));
        let options = Options { img1, img2, data_range, ..Options::default() };
        Units::new(&Problem::new(Shape::new(1, 1, 4, 4).unwrap(), &options).unwrap())
    }

    #[test]
    fn scales_are_powers_of_two_where_they_can_be_and_finite_always() {
        let power_of_two = |scale: f64| scale.log2().fract() == 0.0;
        for range in [1.0, 1.2, 3.0, 255.0, 1e-30, 1e30] {
            for [first, second] in [[1.0, 1.0], [0.7, 0.7], [-0.7, 0.7], [1.0, 1.0 / 255.0], [3.0, 2.0]] {
                let got = units([first, second], range);
                assert!(got.range > 0.5 && got.range <= 1.0, "{got:?}");
                let magnitudes = got.scales.map(f64::abs);
                assert!(magnitudes.into_iter().any(power_of_two), "{got:?}");
                assert!(first.abs() != second.abs() || magnitudes.into_iter().all(power_of_two), "{got:?}");
                assert!((got.scales[0] / got.scales[1] - first / second).abs() <= 1e-15 * (first / second).abs());
            }
        }
        for scale in [f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)] {
            assert!(units([scale; 2], 1.0).scales.iter().all(|&scale| (scale as f32).is_normal()), "{scale}");
        }
    }
}
