//! Elements of every type, and what they are as f64.

use fused_ssim::{Dtype, Pixels, PixelsMut, Values, ValuesMut};

/// Elements of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Memory {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
    U8(Vec<u8>),
    F64(Vec<f64>),
}

impl Memory {
    /// `length` elements that no result is equal to.
    pub fn poison(dtype: Dtype, length: usize) -> Memory {
        match dtype {
            Dtype::F32 => Memory::F32(vec![f32::NAN; length]),
            Dtype::F16 => Memory::F16(vec![0x7eee; length]),
            Dtype::Bf16 => Memory::Bf16(vec![0x7fee; length]),
            Dtype::U8 => Memory::U8(vec![251; length]),
            Dtype::F64 => Memory::F64(vec![f64::NAN; length]),
        }
    }

    pub fn get(&self, i: usize) -> f64 {
        match self {
            Memory::F32(elements) => f64::from(elements[i]),
            Memory::F16(elements) => half(elements[i]),
            Memory::Bf16(elements) => f64::from(f32::from_bits(u32::from(elements[i]) << 16)),
            Memory::U8(elements) => f64::from(elements[i]),
            Memory::F64(elements) => elements[i],
        }
    }

    /// Stores a value in [0, 1] cut to what the type can hold; bytes hold 255 times the value.
    pub fn set(&mut self, i: usize, value: f64) {
        match self {
            Memory::F32(elements) => elements[i] = value as f32,
            // The 11 bits of a normal half, downwards.
            Memory::F16(elements) => {
                elements[i] = (((value as f32).to_bits().max(0x3880_0000) - 0x3800_0000) >> 13) as u16
            }
            Memory::Bf16(elements) => elements[i] = ((value as f32).to_bits() >> 16) as u16,
            Memory::U8(elements) => elements[i] = (255.0 * value) as u8,
            Memory::F64(elements) => elements[i] = value,
        }
    }

    pub fn pixels(&self, from: usize) -> Pixels<'_> {
        match self {
            Memory::F32(elements) => Pixels::F32(&elements[from..]),
            Memory::F16(elements) => Pixels::F16(&elements[from..]),
            Memory::Bf16(elements) => Pixels::Bf16(&elements[from..]),
            Memory::U8(elements) => Pixels::U8(&elements[from..]),
            Memory::F64(elements) => Pixels::F64(&elements[from..]),
        }
    }

    pub fn pixels_mut(&mut self, from: usize) -> PixelsMut<'_> {
        match self {
            Memory::F32(elements) => PixelsMut::F32(&mut elements[from..]),
            Memory::F16(elements) => PixelsMut::F16(&mut elements[from..]),
            Memory::Bf16(elements) => PixelsMut::Bf16(&mut elements[from..]),
            Memory::U8(_) => panic!("there are no gradients of bytes"),
            Memory::F64(elements) => PixelsMut::F64(&mut elements[from..]),
        }
    }

    pub fn values(&self) -> Values<'_> {
        match self {
            Memory::F32(elements) => Values::F32(elements),
            Memory::F64(elements) => Values::F64(elements),
            other => panic!("no results are of this type: {other:?}"),
        }
    }

    pub fn values_mut(&mut self) -> ValuesMut<'_> {
        match self {
            Memory::F32(elements) => ValuesMut::F32(elements),
            Memory::F64(elements) => ValuesMut::F64(elements),
            other => panic!("no results are of this type: {other:?}"),
        }
    }

    pub fn to_f64(&self) -> Vec<f64> {
        let length = match self {
            Memory::F32(elements) => elements.len(),
            Memory::F16(elements) | Memory::Bf16(elements) => elements.len(),
            Memory::U8(elements) => elements.len(),
            Memory::F64(elements) => elements.len(),
        };
        (0..length).map(|i| self.get(i)).collect()
    }
}

/// The value of a half, from its definition.
pub fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}
