//! The training loss: a mix of a pixel difference and a dissimilarity.

use crate::options::{Output, Reduction};
use crate::problem::Problem;
use crate::status::{Error, Result};

/// How single pixels are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelLoss {
    /// mean |x - y|, whose derivative is 0 where x is y.
    L1,
    /// mean (x - y)^2.
    L2,
}

/// (1 - lambda) * pixel loss + lambda * dissimilarity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// How single pixels are compared.
    pub pixel: PixelLoss,
    /// Share of the dissimilarity, 0 to 1.
    pub lambda: f64,
}

/// Floats of a loss for each group of planes: the loss, the pixel loss, the dissimilarity.
pub const LOSS_PARTS: usize = 3;

impl Loss {
    /// Checks lambda, and that such a reduction can have a loss.
    pub fn check(&self, reduction: Reduction) -> Result<()> {
        if !(0.0..=1.0).contains(&self.lambda) {
            return Err(Error::Option(format!("lambda is {}; expected 0 to 1", self.lambda)));
        }
        if reduction == Reduction::Map {
            return Err(Error::Option(
                "reduction is FSSIM_REDUCTION_MAP; a loss needs the mean, or the mean of each image or channel"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// What of SSIM is added: 1 - SSIM, unless the problem asks for (1 - SSIM) / 2.
    pub fn dissimilarity(problem: &Problem) -> Output {
        match problem.output {
            Output::Ssim | Output::OneMinusSsim => Output::OneMinusSsim,
            Output::Dssim => Output::Dssim,
        }
    }

    /// Floats that a problem's loss has.
    pub fn values(problem: &Problem) -> usize {
        LOSS_PARTS * problem.values()
    }

    /// The whole from its parts.
    pub fn total(&self, pixel: f64, dissimilarity: f64) -> f64 {
        // A part without weight has no say, whatever it is.
        let weighted = |weight: f64, part: f64| if weight == 0.0 { 0.0 } else { weight * part };
        weighted(1.0 - self.lambda, pixel) + weighted(self.lambda, dissimilarity)
    }
}
