//! Where an axis has its marks, and what stands beside them.

/// An axis from its lowest to its highest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scale {
    Linear { low: f64, high: f64 },
    Logarithmic { low: f64, high: f64 },
}

/// A mark at a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

impl Scale {
    /// A linear axis whose lower end is a round number at or below `low`.
    pub fn linear(low: f64, high: f64) -> Self {
        let step = round_step((high - low).max(1e-6) / 5.0);
        Scale::Linear { low: (low / step + 1e-9).floor() * step, high }
    }

    /// A logarithmic axis whose ends are the nearest of 1, 2, 5 times a power of ten around the values.
    pub fn logarithmic(low: f64, high: f64) -> Self {
        let steps = log_steps(low, high);
        let below = steps.iter().rev().find(|&&step| step <= low * 1.000_001).copied().unwrap_or(low);
        let above = steps.iter().find(|&&step| step >= high * 0.999_999 && step > below).copied().unwrap_or(high);
        Scale::Logarithmic { low: below, high: above }
    }

    /// Where a value lies: 0 at the low end, 1 at the high end; values outside are moved to the end.
    pub fn position(&self, value: f64) -> f32 {
        let share = match *self {
            Scale::Linear { low, high } => (value - low) / (high - low),
            // A loss of 0 has no logarithm, and rounding can make one negative.
            Scale::Logarithmic { low, high } => (value.max(low) / low).ln() / (high / low).ln(),
        };
        share.clamp(0.0, 1.0) as f32
    }

    /// Round values on the axis, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<Tick> {
        match *self {
            Scale::Linear { low, high } => {
                let step = round_step((high - low) / wanted as f64);
                let decimals = (-step.log10().floor()).max(0.0) as usize;
                let first = (low / step - 1e-6).ceil() as i64;
                let last = (high / step + 1e-6).floor() as i64;
                let tick = |i| {
                    let value = i as f64 * step;
                    Tick { value, label: format!("{value:.decimals$}") }
                };
                (first..=last).map(tick).collect()
            }
            Scale::Logarithmic { low, high } => {
                let inside = |step: &f64| (low * 0.999_999..=high * 1.000_001).contains(step);
                let mut steps: Vec<f64> = log_steps(low, high).into_iter().filter(inside).collect();
                if steps.len() > wanted {
                    steps.retain(|step| (step.log10() - step.log10().round()).abs() < 1e-6);
                }
                steps.into_iter().map(|value| Tick { value, label: plain_number(value) }).collect()
            }
        }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|&round| round >= step * 0.999_999)
        .unwrap_or(step)
}

/// 1, 2, 5 times every power of ten from below `low` to above `high`.
fn log_steps(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(decade))).collect()
}

/// 0.05, but 2e-5.
fn plain_number(value: f64) -> String {
    if value < 1e-3 {
        return format!("{value:.0e}");
    }
    let decimals = (-(value.log10() + 1e-9).floor()).max(0.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, wanted: usize) -> Vec<String> {
        scale.ticks(wanted).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_reach_both_ends() {
        assert_eq!(labels(Scale::linear(0.0, 1.0), 5), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::linear(0.0, 300.0), 6), ["0", "50", "100", "150", "200", "250", "300"]);
        assert_eq!(labels(Scale::linear(0.957, 1.0), 5), ["0.95", "0.96", "0.97", "0.98", "0.99", "1.00"]);
        assert_eq!(Scale::linear(-0.03, 1.0), Scale::Linear { low: -0.5, high: 1.0 });
    }

    #[test]
    fn few_iterations_have_whole_numbers() {
        assert_eq!(labels(Scale::Linear { low: 0.0, high: 7.0 }, 7), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }

    #[test]
    fn logarithmic_ticks_thin_out_to_powers_of_ten() {
        assert_eq!(labels(Scale::logarithmic(0.013, 0.99), 8), ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]);
        assert_eq!(labels(Scale::logarithmic(0.000_03, 0.99), 8), ["1e-4", "0.001", "0.01", "0.1", "1"]);
        assert_eq!(Scale::logarithmic(0.000_03, 0.99), Scale::Logarithmic { low: 2e-5, high: 1.0 });
    }

    #[test]
    fn equal_values_still_span_an_axis() {
        assert!(matches!(Scale::linear(1.0, 1.0), Scale::Linear { low, high } if low <= high));
        let Scale::Logarithmic { low, high } = Scale::logarithmic(0.5, 0.5) else { panic!("not logarithmic") };
        assert!(low <= 0.5 && high > low);
    }

    #[test]
    fn positions() {
        let linear = Scale::Linear { low: 0.5, high: 1.0 };
        assert_eq!([0.0, 0.5, 0.75, 1.0, 2.0].map(|value| linear.position(value)), [0.0, 0.0, 0.5, 1.0, 1.0]);
        let logarithmic = Scale::Logarithmic { low: 0.01, high: 1.0 };
        assert!((logarithmic.position(0.1) - 0.5).abs() < 1e-6);
        assert_eq!([1e-9, 0.0, -1e-8].map(|value| logarithmic.position(value)), [0.0; 3]);
    }
}
