//! The Adam optimiser (Kingma and Ba, 2015).

/// Decay of the running mean of the gradient.
const BETA1: f32 = 0.9;
/// Decay of the running mean of its square.
const BETA2: f32 = 0.999;
/// Keeps the quotient finite. The gradient of a mean over all pixels is tiny, hence not the usual 1e-8.
const EPSILON: f32 = 1e-15;

/// The running means, one of each for every parameter.
pub struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    pub fn new(parameters: usize) -> Self {
        Adam { mean: vec![0.0; parameters], square: vec![0.0; parameters], steps: 0 }
    }

    /// Moves every parameter against its gradient by about `learning_rate`.
    pub fn step(&mut self, parameters: &mut [f32], gradient: &[f32], learning_rate: f32) {
        assert_eq!(parameters.len(), self.mean.len());
        assert_eq!(gradient.len(), self.mean.len());
        self.steps += 1;
        // The running means start at zero; dividing by these undoes it.
        let mean_share = 1.0 - BETA1.powi(self.steps);
        let square_share = 1.0 - BETA2.powi(self.steps);
        let state = self.mean.iter_mut().zip(&mut self.square);
        for ((parameter, &slope), (mean, square)) in parameters.iter_mut().zip(gradient).zip(state) {
            *mean = BETA1 * *mean + (1.0 - BETA1) * slope;
            *square = BETA2 * *square + (1.0 - BETA2) * slope * slope;
            *parameter -= learning_rate * (*mean / mean_share) / ((*square / square_share).sqrt() + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_has_the_length_of_the_learning_rate() {
        let mut parameters = [1.0, 1.0, 1.0];
        Adam::new(3).step(&mut parameters, &[3.0, -1e-7, 0.0], 0.25);
        assert!((parameters[0] - 0.75).abs() < 1e-5, "{parameters:?}");
        assert!((parameters[1] - 1.25).abs() < 1e-5, "{parameters:?}");
        assert_eq!(parameters[2], 1.0);
    }

    #[test]
    fn finds_the_minimum_of_a_parabola() {
        let target = [0.3, -2.0];
        let mut parameters = [0.0, 0.0];
        let mut adam = Adam::new(2);
        for step in 0..2000 {
            let gradient: Vec<f32> = parameters.iter().zip(target).map(|(p, t)| 1e-6 * (p - t)).collect();
            adam.step(&mut parameters, &gradient, 0.02 * 0.998f32.powi(step));
        }
        for (parameter, target) in parameters.iter().zip(target) {
            assert!((parameter - target).abs() < 1e-3, "{parameters:?}");
        }
    }
}
