//! What the fit makes small, and its gradient.

use fused_ssim::{Error, Options, Problem, value_and_grad};

use super::picture::Picture;

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// 1 - SSIM.
    Ssim,
    /// 0.8 L1 + 0.2 (1 - SSIM), as in the training of Gaussian splats; L1 is the mean absolute difference.
    L1Ssim,
}

impl Loss {
    /// The formula, for people.
    pub fn formula(self) -> &'static str {
        match self {
            Loss::Ssim => "1 - SSIM",
            Loss::L1Ssim => "0.8 L1 + 0.2 (1 - SSIM)",
        }
    }

    /// The factors of L1 and of 1 - SSIM.
    fn weights(self) -> (f32, f32) {
        match self {
            Loss::Ssim => (0.0, 1.0),
            Loss::L1Ssim => (0.8, 0.2),
        }
    }
}

/// The two numbers that a fit watches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    pub ssim: f32,
    pub loss: f32,
}

/// A loss against a fixed picture, with room for its gradient.
pub struct Objective<'a> {
    target: &'a Picture,
    loss: Loss,
    problem: Problem,
    gradient: Vec<f32>,
}

impl<'a> Objective<'a> {
    pub fn new(target: &'a Picture, loss: Loss) -> Result<Self, Error> {
        let problem = Problem::new(target.shape()?, &Options::default())?;
        Ok(Objective { target, loss, problem, gradient: vec![0.0; target.data.len()] })
    }

    /// The loss of `data` (planes of the target's shape) and its gradient.
    pub fn evaluate(&mut self, data: &[f32]) -> Result<(Sample, &[f32]), Error> {
        let mut ssim = [0.0];
        value_and_grad(&self.problem, data, &self.target.data, &mut ssim, Some(&mut self.gradient), None)?;
        let (l1_weight, ssim_weight) = self.loss.weights();
        let slope = l1_weight / data.len() as f32;
        let mut distance = 0.0;
        for ((gradient, &value), &wanted) in self.gradient.iter_mut().zip(data).zip(&self.target.data) {
            let difference = value - wanted;
            distance += f64::from(difference.abs());
            let sign = if difference == 0.0 { 0.0 } else { difference.signum() };
            *gradient = slope * sign - ssim_weight * *gradient;
        }
        let l1 = (distance / data.len() as f64) as f32;
        let loss = l1_weight * l1 + ssim_weight * (1.0 - ssim[0]);
        Ok((Sample { ssim: ssim[0], loss }, &self.gradient))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient_picture() -> Picture {
        let data = (0..2 * 13 * 17).map(|i| 0.5 + 0.4 * (i as f32 * 0.37).sin()).collect();
        Picture { channels: 2, height: 13, width: 17, data }
    }

    #[test]
    fn the_target_itself_costs_nothing() {
        let target = gradient_picture();
        for loss in [Loss::Ssim, Loss::L1Ssim] {
            let mut objective = Objective::new(&target, loss).unwrap();
            let (sample, gradient) = objective.evaluate(&target.data).unwrap();
            assert!((sample.ssim - 1.0).abs() < 1e-6 && sample.loss.abs() < 1e-6, "{loss:?}: {sample:?}");
            assert!(gradient.iter().all(|slope| slope.abs() < 1e-6), "{loss:?}");
        }
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let target = gradient_picture();
        let start: Vec<f32> = target.data.iter().map(|value| 0.3 + 0.3 * value).collect();
        for loss in [Loss::Ssim, Loss::L1Ssim] {
            let mut objective = Objective::new(&target, loss).unwrap();
            let gradient = objective.evaluate(&start).unwrap().1.to_vec();
            // A step along the gradient itself is where the difference of two f32 losses is largest.
            let length = 1e-2 / gradient.iter().map(|slope| slope.abs()).fold(0.0, f32::max);
            let mut moved = |sign: f32| {
                let data: Vec<f32> = start.iter().zip(&gradient).map(|(x, slope)| x + sign * length * slope).collect();
                objective.evaluate(&data).unwrap().0.loss
            };
            let measured = (moved(1.0) - moved(-1.0)) / (2.0 * length);
            let expected: f32 = gradient.iter().map(|slope| slope * slope).sum();
            assert!((measured / expected - 1.0).abs() < 0.02, "{loss:?}: {measured} against {expected}");
        }
    }
}
