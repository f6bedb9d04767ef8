//! Elements of every type, by their bits.

use crate::capi;

/// Bytes of an element of a known type.
pub fn size(dtype: i32) -> usize {
    match dtype {
        capi::DTYPE_F16 | capi::DTYPE_BF16 => 2,
        capi::DTYPE_U8 => 1,
        capi::DTYPE_F64 => 8,
        _ => 4,
    }
}

pub fn decode(dtype: i32, bytes: &[u8]) -> f64 {
    let bits = || u16::from_le_bytes([bytes[0], bytes[1]]);
    match dtype {
        capi::DTYPE_F16 => half(bits()),
        capi::DTYPE_BF16 => f64::from(f32::from_bits(u32::from(bits()) << 16)),
        capi::DTYPE_U8 => f64::from(bytes[0]),
        capi::DTYPE_F64 => f64::from_le_bytes(bytes.try_into().expect("eight bytes")),
        _ => f64::from(f32::from_le_bytes(bytes.try_into().expect("four bytes"))),
    }
}

fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}

/// A number near `value`, which 16 bits must be able to hold.
pub fn encode(dtype: i32, value: f64) -> Vec<u8> {
    let bits = (value as f32).to_bits();
    match dtype {
        // Rounded towards zero; below the normal halves, to zero.
        capi::DTYPE_F16 if bits >> 23 & 255 < 113 => vec![0; 2],
        capi::DTYPE_F16 => {
            let magnitude = ((bits & 0x7fff_ffff) - (112 << 23)) >> 13;
            ((bits >> 16 & 0x8000 | magnitude) as u16).to_le_bytes().to_vec()
        }
        capi::DTYPE_BF16 => ((bits >> 16) as u16).to_le_bytes().to_vec(),
        capi::DTYPE_U8 => vec![value as u8],
        capi::DTYPE_F64 => value.to_le_bytes().to_vec(),
        _ => bits.to_le_bytes().to_vec(),
    }
}

/// What rounding to the nearest may cost: a share of the number, and at least this much.
pub fn rounding(dtype: i32) -> (f64, f64) {
    match dtype {
        capi::DTYPE_F16 => (2f64.powi(-11), 2f64.powi(-25)),
        capi::DTYPE_BF16 => (2f64.powi(-8), 0.0),
        capi::DTYPE_F64 => (2f64.powi(-52), 0.0),
        _ => (2f64.powi(-23), 1e-45),
    }
}
