//! What the kernels of strips and tiles have to know of the pixels of a launch: the bits PIXELS_*.

use super::params::{Image, StripParams};
use crate::geometry::*;

const PAIRS: i32 = PIXELS_F32 | PIXELS_F16 | PIXELS_BF16 | PIXELS_U8 | PIXELS_F32_U8;

/// Whether multiplying bytes by the scale rounds nothing, whatever numbers near 2^24 are on the way.
fn is_exact(scale: f64) -> bool {
    let exponent = scale.abs().log2();
    exponent.fract() == 0.0 && exponent.abs() <= 100.0
}

/// The bits for images of these element types and scales.
pub(super) fn pixel_mode(types: [i32; 2], scales: [f64; 2]) -> i32 {
    let plain = scales == [1.0; 2];
    let pair = match types {
        [ELEMENT_F32, ELEMENT_F32] => PIXELS_F32,
        [ELEMENT_F16, ELEMENT_F16] if plain => PIXELS_F16,
        [ELEMENT_BF16, ELEMENT_BF16] if plain => PIXELS_BF16,
        [ELEMENT_U8, ELEMENT_U8] if scales[0] == scales[1] && is_exact(scales[0]) => PIXELS_U8,
        [ELEMENT_F32, ELEMENT_U8] if is_exact(scales[1]) => PIXELS_F32_U8,
        _ => 0,
    };
    if plain { pair } else { pair | PIXELS_SCALED }
}

/// The pair whose kernels a launch takes, 0 for those of any types. They write gradients of f32 and, those of 16 bits, of
/// the images' type.
pub(super) fn pair_of(params: &StripParams) -> i32 {
    let pair = params.pixel_mode & PAIRS;
    let fits = |gradient: &Image| match gradient.element {
        ELEMENT_F32 => true,
        ELEMENT_F16 => pair == PIXELS_F16,
        ELEMENT_BF16 => pair == PIXELS_BF16,
        _ => false,
    };
    if fits(&params.grad) && fits(&params.grad2) { pair } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_with_code_of_their_own() {
        let byte = 1.0 / 256.0;
        for (types, scales, expected) in [
            ([ELEMENT_F32, ELEMENT_F32], [1.0, 1.0], PIXELS_F32),
            ([ELEMENT_F32, ELEMENT_F32], [0.7, 0.5], PIXELS_F32 | PIXELS_SCALED),
            ([ELEMENT_F16, ELEMENT_F16], [1.0, 1.0], PIXELS_F16),
            ([ELEMENT_BF16, ELEMENT_BF16], [1.0, 1.0], PIXELS_BF16),
            ([ELEMENT_F16, ELEMENT_F16], [0.5, 0.5], PIXELS_SCALED),
            ([ELEMENT_F16, ELEMENT_BF16], [1.0, 1.0], 0),
            ([ELEMENT_U8, ELEMENT_U8], [byte, byte], PIXELS_U8 | PIXELS_SCALED),
            ([ELEMENT_U8, ELEMENT_U8], [1.0, 1.0], PIXELS_U8),
            ([ELEMENT_U8, ELEMENT_U8], [byte, -byte], PIXELS_SCALED),
            ([ELEMENT_U8, ELEMENT_U8], [2f64.powi(120), 2f64.powi(120)], PIXELS_SCALED),
            ([ELEMENT_F32, ELEMENT_U8], [255.0 / 256.0, byte], PIXELS_F32_U8 | PIXELS_SCALED),
            ([ELEMENT_F32, ELEMENT_U8], [0.5, 0.3], PIXELS_SCALED),
            ([ELEMENT_U8, ELEMENT_F32], [byte, 255.0 / 256.0], PIXELS_SCALED),
        ] {
            assert_eq!(pixel_mode(types, scales), expected, "{types:?} {scales:?}");
        }
    }
}
