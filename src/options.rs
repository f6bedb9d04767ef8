//! Everything about a call that has a default.

use crate::layout::Layout;
use crate::mask::MaskOptions;
use crate::shard::Shard;
use crate::status::{Error, Result};
use crate::window::{WINDOW_TAPS, WindowShape};

/// What surrounds the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Padding {
    /// Zeros; the map has the size of the image.
    #[default]
    Same,
    /// Nothing; only pixels whose whole window lies inside the image are in the map.
    Valid,
}

/// Over what the map is averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reduction {
    /// Everything: one value.
    #[default]
    Mean,
    /// Each image: N values.
    PerImage,
    /// Each plane: N*C values.
    PerChannel,
    /// Nothing: the dense map.
    Map,
}

/// What of SSIM is returned. Gradients are of what is returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// SSIM.
    #[default]
    Ssim,
    /// 1 - SSIM.
    OneMinusSsim,
    /// (1 - SSIM) / 2.
    Dssim,
}

impl Output {
    /// The derivative of the output with respect to SSIM.
    pub fn scale(self) -> f64 {
        match self {
            Output::Ssim => 1.0,
            Output::OneMinusSsim => -1.0,
            Output::Dssim => -0.5,
        }
    }

    /// The output for an SSIM of 0.
    pub fn offset(self) -> f64 {
        match self {
            Output::Ssim => 0.0,
            Output::OneMinusSsim => 1.0,
            Output::Dssim => 0.5,
        }
    }

    /// The output for an SSIM.
    pub fn of(self, ssim: f64) -> f64 {
        self.scale() * ssim + self.offset()
    }
}

/// Which gradients a `saved` buffer serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedFor {
    /// The gradient of img1.
    pub img1: bool,
    /// The gradient of img2.
    pub img2: bool,
}

impl SavedFor {
    /// Whether a `saved` buffer can give the gradients that are wanted of it.
    pub(crate) fn check(self, wanted: [bool; 2]) -> Result<()> {
        for (name, wanted, served) in [("grad_img1", wanted[0], self.img1), ("grad_img2", wanted[1], self.img2)] {
            if wanted && !served {
                return Err(Error::Option(format!(
                    "saved_for does not include {name}, so `saved` cannot give it; set it for the size of `saved`, forward \
                     and backward alike, or pass no `saved`"
                )));
            }
        }
        Ok(())
    }
}

/// Everything about a computation that has a default.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What surrounds the image.
    pub padding: Padding,
    /// Over what the map is averaged.
    pub reduction: Reduction,
    /// What of SSIM is returned.
    pub output: Output,
    /// The form of the window.
    pub window: WindowShape,
    /// Taps of the window in each direction: odd, 3 to 33.
    pub window_size: usize,
    /// Standard deviation of the Gaussian window, in pixels.
    pub sigma: f64,
    /// L, the distance between the smallest and the largest possible pixel value.
    pub data_range: f64,
    /// k1 in C1 = (k1 L)^2.
    pub k1: f64,
    /// k2 in C2 = (k2 L)^2.
    pub k2: f64,
    /// Layout of img1.
    pub img1: Layout,
    /// Layout of img2.
    pub img2: Layout,
    /// Layout of the gradient of img1.
    pub grad_img1: Layout,
    /// Layout of the gradient of img2.
    pub grad_img2: Layout,
    /// Which gradients `saved` serves.
    pub saved_for: SavedFor,
    /// Weights of the pixels. The functions over slices refuse them in this version.
    pub mask: Option<MaskOptions>,
    /// Which part of a larger image this is; None: the whole.
    pub shard: Option<Shard>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            padding: Padding::Same,
            reduction: Reduction::Mean,
            output: Output::Ssim,
            window: WindowShape::Gaussian,
            window_size: WINDOW_TAPS,
            sigma: 1.5,
            data_range: 1.0,
            k1: 0.01,
            k2: 0.03,
            img1: Layout::DENSE,
            img2: Layout::DENSE,
            grad_img1: Layout::DENSE,
            grad_img2: Layout::DENSE,
            saved_for: SavedFor { img1: true, img2: false },
            mask: None,
            shard: None,
        }
    }
}
