//! Pixels of other types than f32: read into f32, and gradients rounded from it. Written without branches, so that the
//! compiler makes vectors of the loops.

use super::simd::Vector;
use super::tile::TILE;
use crate::layout::{Dtype, Sink, Source};

/// Exponent bits of f32 below those of f16: their biases differ by 112.
const BIAS: u32 = (127 - 15) << 23;

/// The value of a half, exactly.
#[inline(always)]
pub(super) fn f16_to_f32(half: u16) -> f32 {
    let bits = u32::from(half);
    let (sign, exponent, fraction) = ((bits & 0x8000) << 16, bits & 0x7c00, bits & 0x03ff);
    let shifted = (bits & 0x7fff) << 13;
    let normal = shifted + BIAS;
    // Infinity and NaN have the largest exponent in both.
    let special = shifted + 2 * BIAS;
    // Below the smallest normal half: a multiple of 2^-24.
    let tiny = (fraction as f32 * f32::from_bits(0x3380_0000)).to_bits();
    let magnitude = if exponent == 0x7c00 { special } else { normal };
    let magnitude = if exponent == 0 { tiny } else { magnitude };
    f32::from_bits(sign | magnitude)
}

/// The nearest half, ties to even; infinity from 65520 on.
#[inline(always)]
pub(super) fn f32_to_f16(value: f32) -> u16 {
    /// Adding it puts the last bit of a tiny half at the last bit of the sum.
    const ALIGN: f32 = 0.5;
    let bits = value.to_bits();
    let (sign, magnitude) = ((bits >> 16) & 0x8000, bits & 0x7fff_ffff);
    let tiny = (f32::from_bits(magnitude) + ALIGN).to_bits().wrapping_sub(ALIGN.to_bits());
    let rounded = magnitude.wrapping_add(0x0fff + ((magnitude >> 13) & 1));
    let normal = rounded.wrapping_sub(BIAS) >> 13;
    // Smaller than 2^-14; too large, which rounding up decides as well; NaN stays one.
    let half = if magnitude < 0x3880_0000 { tiny } else { normal };
    let half = if magnitude >= 0x477f_f000 { 0x7c00 } else { half };
    let half = if magnitude > 0x7f80_0000 { 0x7e00 } else { half };
    (sign | half) as u16
}

/// The value of a bfloat16, exactly.
#[inline(always)]
pub(super) fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bfloat16, ties to even.
#[inline(always)]
pub(super) fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    // Rounding could carry a NaN over to a number.
    let quiet = (bits >> 16) | 0x0040;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { quiet } else { rounded }) as u16
}

/// Some neighbouring pixels, `stride` elements apart, as they are.
///
/// # Safety
/// The processor has V's instructions; `from` is valid for LANES elements of `dtype` that far apart.
#[inline(always)]
pub(super) unsafe fn load<V: Vector>(from: *const u8, dtype: Dtype, stride: usize) -> V {
    let mut floats = [0.0f32; TILE];
    let floats = &mut floats[..V::LANES];
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => return V::load_strided(from.cast(), stride),
            Dtype::F16 => read(from.cast::<u16>(), stride, floats, f16_to_f32),
            Dtype::Bf16 => read(from.cast::<u16>(), stride, floats, bf16_to_f32),
            Dtype::U8 => read(from, stride, floats, f32::from),
            // Computed elsewhere, in f64.
            Dtype::F64 => unreachable!("images of f64 are not computed in f32"),
        }
        V::load(floats.as_ptr())
    }
}

#[inline(always)]
unsafe fn read<T: Copy>(from: *const T, stride: usize, floats: &mut [f32], convert: impl Fn(T) -> f32) {
    if stride == 1 {
        for (i, float) in floats.iter_mut().enumerate() {
            // SAFETY: the caller's promise of as many elements.
            *float = convert(unsafe { *from.add(i) });
        }
    } else {
        for (i, float) in floats.iter_mut().enumerate() {
            // SAFETY: as above, `stride` apart.
            *float = convert(unsafe { *from.add(i * stride) });
        }
    }
}

/// One pixel.
///
/// # Safety
/// `from` is valid for one element of `dtype`.
#[inline(always)]
pub(super) unsafe fn load_one(from: *const u8, dtype: Dtype) -> f32 {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => *from.cast::<f32>(),
            Dtype::F16 => f16_to_f32(*from.cast()),
            Dtype::Bf16 => bf16_to_f32(*from.cast()),
            Dtype::U8 => f32::from(*from),
            Dtype::F64 => *from.cast::<f64>() as f32,
        }
    }
}

/// Rounds `from` to elements `stride` apart; those between are not touched.
///
/// # Safety
/// `to` is valid for as many elements of `dtype` that far apart.
#[inline(always)]
pub(super) unsafe fn store(from: &[f32], to: *mut u8, dtype: Dtype, stride: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match dtype {
            Dtype::F32 => write(from, to.cast::<f32>(), stride, |value| value),
            Dtype::F16 => write(from, to.cast::<u16>(), stride, f32_to_f16),
            Dtype::Bf16 => write(from, to.cast::<u16>(), stride, f32_to_bf16),
            Dtype::U8 | Dtype::F64 => unreachable!("no gradient computed in f32 is stored as {}", dtype.name()),
        }
    }
}

#[inline(always)]
unsafe fn write<T>(from: &[f32], to: *mut T, stride: usize, convert: impl Fn(f32) -> T) {
    if stride == 1 {
        for (i, &value) in from.iter().enumerate() {
            // SAFETY: the caller's promise of as many elements.
            unsafe { *to.add(i) = convert(value) };
        }
    } else {
        for (i, &value) in from.iter().enumerate() {
            // SAFETY: as above, `stride` apart.
            unsafe { *to.add(i * stride) = convert(value) };
        }
    }
}

/// Some neighbouring pixels of a row as f64, as they are.
///
/// # Safety
/// The indices are inside the shape of the image, the last column read included.
#[inline(always)]
pub(super) unsafe fn read_row(image: &Source<'_>, at: [usize; 4], into: &mut [f64]) {
    // SAFETY: the caller's promise.
    unsafe {
        let (from, stride) = image.at(at[0], at[1], at[2], at[3]);
        match image.dtype() {
            Dtype::F32 => read_wide(from.cast::<f32>(), stride, into, f64::from),
            Dtype::F16 => read_wide(from.cast::<u16>(), stride, into, |half| f64::from(f16_to_f32(half))),
            Dtype::Bf16 => read_wide(from.cast::<u16>(), stride, into, |bits| f64::from(bf16_to_f32(bits))),
            Dtype::U8 => read_wide(from, stride, into, f64::from),
            Dtype::F64 => read_wide(from.cast::<f64>(), stride, into, |value| value),
        }
    }
}

#[inline(always)]
unsafe fn read_wide<T: Copy>(from: *const T, stride: usize, into: &mut [f64], convert: impl Fn(T) -> f64) {
    for (i, value) in into.iter_mut().enumerate() {
        // SAFETY: the caller's promise of as many elements, `stride` apart.
        *value = convert(unsafe { *from.add(i * stride) });
    }
}

/// Rounds `from` to neighbouring elements of a row.
///
/// # Safety
/// As for [`read_row`], of elements that are this thread's own.
#[inline(always)]
pub(super) unsafe fn write_row(image: &Sink<'_>, at: [usize; 4], from: &[f64]) {
    // SAFETY: the caller's promise.
    unsafe {
        let (to, stride) = image.at(at[0], at[1], at[2], at[3]);
        match image.dtype() {
            Dtype::F32 => write_wide(from, to.cast::<f32>(), stride, |value| value as f32),
            Dtype::F16 => write_wide(from, to.cast::<u16>(), stride, |value| f32_to_f16(value as f32)),
            Dtype::Bf16 => write_wide(from, to.cast::<u16>(), stride, |value| f32_to_bf16(value as f32)),
            Dtype::F64 => write_wide(from, to.cast::<f64>(), stride, |value| value),
            Dtype::U8 => unreachable!("no result is stored as {}", image.dtype().name()),
        }
    }
}

#[inline(always)]
unsafe fn write_wide<T>(from: &[f64], to: *mut T, stride: usize, convert: impl Fn(f64) -> T) {
    for (i, &value) in from.iter().enumerate() {
        // SAFETY: the caller's promise of as many elements, `stride` apart.
        unsafe { *to.add(i * stride) = convert(value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the definition, in f64.
    fn value_of(sign: bool, exponent: i32, fraction: u32, fraction_bits: i32, bias: i32) -> f64 {
        let whole = f64::from(fraction) * 2f64.powi(-fraction_bits);
        let magnitude = match exponent {
            0 => whole * 2f64.powi(1 - bias),
            _ if exponent == 2 * bias + 1 && fraction == 0 => f64::INFINITY,
            _ if exponent == 2 * bias + 1 => f64::NAN,
            _ => (1.0 + whole) * 2f64.powi(exponent - bias),
        };
        if sign { -magnitude } else { magnitude }
    }

    fn half(bits: u16) -> f64 {
        value_of(bits >> 15 != 0, i32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff), 10, 15)
    }

    fn bfloat(bits: u16) -> f64 {
        value_of(bits >> 15 != 0, i32::from(bits >> 7 & 0xff), u32::from(bits & 0x7f), 7, 127)
    }

    #[test]
    fn every_16_bit_number_reads_as_its_value_and_writes_back() {
        for bits in 0..=u16::MAX {
            for (got, want, back) in [
                (f16_to_f32(bits), half(bits), f32_to_f16(f16_to_f32(bits))),
                (bf16_to_f32(bits), bfloat(bits), f32_to_bf16(bf16_to_f32(bits))),
            ] {
                if want.is_nan() {
                    assert!(got.is_nan(), "{bits:#x}");
                } else {
                    assert_eq!(f64::from(got), want, "{bits:#x}");
                    assert_eq!(got.is_sign_negative(), want.is_sign_negative(), "{bits:#x}");
                    assert_eq!(back, bits);
                }
            }
            let (nan_half, nan_bfloat) = (f32_to_f16(f16_to_f32(bits)), f32_to_bf16(bf16_to_f32(bits)));
            assert_eq!(half(nan_half).is_nan(), half(bits).is_nan(), "{bits:#x}");
            assert_eq!(bfloat(nan_bfloat).is_nan(), bfloat(bits).is_nan(), "{bits:#x}");
        }
    }

    #[test]
    fn writing_rounds_to_the_nearest_and_ties_to_even() {
        // Between each two neighbours: the middle, and just beside it.
        let check = |lower: u16, value: fn(u16) -> f64, write: fn(f32) -> u16| {
            let (low, high) = (value(lower), value(lower + 1));
            if !high.is_finite() {
                return;
            }
            let middle = ((low + high) / 2.0) as f32;
            let even = if lower.is_multiple_of(2) { lower } else { lower + 1 };
            assert_eq!(write(middle), even, "middle of {low} and {high}");
            assert_eq!(write(middle.next_down()), lower, "below the middle of {low} and {high}");
            assert_eq!(write(middle.next_up()), lower + 1, "above the middle of {low} and {high}");
            assert_eq!(write(-middle), even | 0x8000, "negative middle of {low} and {high}");
        };
        for lower in 0..0x7c00 {
            check(lower, half, f32_to_f16);
        }
        for lower in 0..0x7f80 {
            check(lower, bfloat, f32_to_bf16);
        }
    }

    #[test]
    fn numbers_beyond_the_range_become_infinite() {
        assert_eq!(f32_to_f16(65519.996), 0x7bff);
        for value in [65520.0, 65536.0, 1e30, f32::MAX, f32::INFINITY] {
            assert_eq!(f32_to_f16(value), 0x7c00, "{value}");
            assert_eq!(f32_to_f16(-value), 0xfc00, "{value}");
        }
        assert_eq!(f32_to_bf16(f32::MAX), 0x7f80);
        for nan in [f32::NAN, f32::from_bits(0x7f80_0001), f32::from_bits(0xffff_ffff)] {
            assert!(half(f32_to_f16(nan)).is_nan() && bfloat(f32_to_bf16(nan)).is_nan(), "{:#x}", nan.to_bits());
        }
    }
}
