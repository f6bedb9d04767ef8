//! Elements of every type in device memory.

use std::ffi::c_void;

use crate::capi;
use crate::device::{Floats, POISON};

/// What the elements of an image or a gradient are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    F32,
    F16,
    Bf16,
    U8,
}

/// The smallest normal half, and the distance between those below.
const HALF_NORMAL: f32 = 1.0 / 16384.0;
const HALF_STEP: f32 = HALF_NORMAL / 1024.0;

impl Dtype {
    pub fn for_c(self) -> i32 {
        match self {
            Dtype::F32 => 0,
            Dtype::F16 => capi::DTYPE_F16,
            Dtype::Bf16 => capi::DTYPE_BF16,
            Dtype::U8 => capi::DTYPE_U8,
        }
    }

    pub fn bytes(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::U8 => 1,
        }
    }

    /// What a pixel is multiplied by on load if the options do not say.
    pub fn default_scale(self, data_range: f64) -> f64 {
        if self == Dtype::U8 { data_range / 255.0 } else { 1.0 }
    }

    /// The largest number of this type up to a value that is not negative.
    pub fn round_down(self, value: f32) -> f32 {
        let cut = |bits: u32| f32::from_bits(value.to_bits() >> bits << bits);
        match self {
            Dtype::F32 => value,
            Dtype::F16 if value < HALF_NORMAL => (value / HALF_STEP).floor() * HALF_STEP,
            Dtype::F16 => cut(13),
            Dtype::Bf16 => cut(16),
            Dtype::U8 => value.floor(),
        }
    }

    /// The bytes of a number of this type; of a NaN, for bytes 173.
    pub fn encode(self, value: f32) -> Vec<u8> {
        let bits = value.to_bits();
        match self {
            Dtype::F32 => bits.to_le_bytes().to_vec(),
            Dtype::F16 if value.is_nan() => 0x7e00u16.to_le_bytes().to_vec(),
            Dtype::F16 if value < HALF_NORMAL => ((value / HALF_STEP) as u16).to_le_bytes().to_vec(),
            Dtype::F16 => (((bits - 0x3800_0000) >> 13) as u16).to_le_bytes().to_vec(),
            Dtype::Bf16 => ((bits >> 16) as u16).to_le_bytes().to_vec(),
            Dtype::U8 if value.is_nan() => vec![173],
            Dtype::U8 => vec![value as u8],
        }
    }

    pub fn decode(self, bytes: &[u8]) -> f32 {
        let half = || u32::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        match self {
            Dtype::F32 => f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            Dtype::F16 => {
                let (sign, exponent, fraction) = (half() >> 15, half() >> 10 & 0x1f, half() & 0x3ff);
                let magnitude = match exponent {
                    0 => fraction as f32 * HALF_STEP,
                    31 if fraction == 0 => f32::INFINITY,
                    31 => f32::NAN,
                    _ => (1024 + fraction) as f32 * 2f32.powi(exponent as i32 - 25),
                };
                if sign == 0 { magnitude } else { -magnitude }
            }
            Dtype::Bf16 => f32::from_bits(half() << 16),
            Dtype::U8 => f32::from(bytes[0]),
        }
    }

    /// The most by which rounding to this type may change a value.
    pub fn rounding(self, value: f64) -> f64 {
        let exponent = if value == 0.0 { -1000 } else { value.abs().log2().floor() as i32 };
        match self {
            Dtype::F16 => 2f64.powi(exponent.max(-14) - 11),
            Dtype::Bf16 => 2f64.powi(exponent - 8),
            Dtype::F32 | Dtype::U8 => 0.0,
        }
    }
}

/// Elements in device memory, which may start at any byte; guarded like floats.
pub struct Elements {
    pub words: Floats,
    /// Bytes before the first element.
    skipped: usize,
    bytes: usize,
}

fn poison(i: usize) -> u8 {
    POISON.to_le_bytes()[i % 4]
}

impl Elements {
    /// `bytes` bytes of poison, `offset` bytes past an address that is a multiple of 256.
    pub fn poisoned_at(offset: usize, bytes: usize) -> Self {
        let skipped = offset % 4;
        Elements { words: Floats::poisoned_at(offset / 4, (skipped + bytes).div_ceil(4)), skipped, bytes }
    }

    pub fn of_at(offset: usize, content: &[u8]) -> Self {
        let elements = Elements::poisoned_at(offset, content.len());
        elements.write(content);
        elements
    }

    pub fn address(&self) -> *mut c_void {
        self.words.address().wrapping_byte_add(self.skipped)
    }

    pub fn write(&self, content: &[u8]) {
        assert_eq!(content.len(), self.bytes);
        let mut all: Vec<u8> = (0..4 * self.words.len()).map(poison).collect();
        all[self.skipped..self.skipped + self.bytes].copy_from_slice(content);
        let words: Vec<f32> = all.chunks_exact(4).map(|word| Dtype::F32.decode(word)).collect();
        self.words.write(&words);
    }

    /// The content, after checking that nothing around it was written.
    #[track_caller]
    pub fn read(&self) -> Vec<u8> {
        let all: Vec<u8> = self.words.read().iter().flat_map(|word| word.to_bits().to_le_bytes()).collect();
        let inside = self.skipped..self.skipped + self.bytes;
        assert!(
            (0..all.len()).all(|i| inside.contains(&i) || all[i] == poison(i)),
            "a byte beside elements was written"
        );
        all[inside].to_vec()
    }

    /// What an element's bytes hold before anything is written, counted from the first element.
    pub fn poison(&self, i: usize) -> u8 {
        poison(self.skipped + i)
    }
}
