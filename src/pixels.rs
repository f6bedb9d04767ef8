//! Slices of the types that images, gradients and results may have.

use crate::layout::{Dtype, Sink, Source, Strides};
use crate::status::{Error, Result};

/// The elements of an image. `F16` and `Bf16` are the bits of the 16-bit floating-point types.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each is the variant of that name of Dtype")]
pub enum Pixels<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    Bf16(&'a [u16]),
    U8(&'a [u8]),
    F64(&'a [f64]),
}

/// The elements of a gradient. `F16` and `Bf16` are the bits of the 16-bit floating-point types.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the variant of that name of Dtype")]
pub enum PixelsMut<'a> {
    F32(&'a mut [f32]),
    F16(&'a mut [u16]),
    Bf16(&'a mut [u16]),
    F64(&'a mut [f64]),
}

/// Numbers in the precision of the computation: `F64` for images of f64, `F32` for all others.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each is the variant of that name of Dtype")]
pub enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

/// As [`Values`], to be written.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the variant of that name of Dtype")]
pub enum ValuesMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
}

impl<'a> Pixels<'a> {
    /// A view of an image; an error if the problem has another dtype, or more elements.
    pub(crate) fn source(self, name: &str, dtype: Dtype, strides: Strides) -> Result<Source<'a>> {
        let (given, data, length): (_, *const u8, _) = match self {
            Pixels::F32(data) => (Dtype::F32, data.as_ptr().cast(), data.len()),
            Pixels::F16(data) => (Dtype::F16, data.as_ptr().cast(), data.len()),
            Pixels::Bf16(data) => (Dtype::Bf16, data.as_ptr().cast(), data.len()),
            Pixels::U8(data) => (Dtype::U8, data.as_ptr(), data.len()),
            Pixels::F64(data) => (Dtype::F64, data.as_ptr().cast(), data.len()),
        };
        check(name, given, dtype, length, strides)?;
        // SAFETY: the slice is borrowed for 'a, holds the extent of the strides, and is aligned for its elements.
        Ok(unsafe { Source::from_raw(data, dtype, strides) })
    }
}

impl<'a> PixelsMut<'a> {
    /// A view of a gradient; an error if the problem has another dtype, or more elements.
    pub(crate) fn sink(self, name: &str, dtype: Dtype, strides: Strides) -> Result<Sink<'a>> {
        let (given, data, length): (_, *mut u8, _) = match self {
            PixelsMut::F32(data) => (Dtype::F32, data.as_mut_ptr().cast(), data.len()),
            PixelsMut::F16(data) => (Dtype::F16, data.as_mut_ptr().cast(), data.len()),
            PixelsMut::Bf16(data) => (Dtype::Bf16, data.as_mut_ptr().cast(), data.len()),
            PixelsMut::F64(data) => (Dtype::F64, data.as_mut_ptr().cast(), data.len()),
        };
        check(name, given, dtype, length, strides)?;
        // SAFETY: the slice is borrowed for 'a, holds the extent of the strides, and is aligned for its elements.
        Ok(unsafe { Sink::from_raw(data, dtype, strides) })
    }
}

impl<'a> Values<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> f64 {
        match self {
            Values::F32(values) => f64::from(values[index]),
            Values::F64(values) => values[index],
        }
    }

    pub(crate) fn f32(self) -> Result<&'a [f32]> {
        match self {
            Values::F32(values) => Ok(values),
            Values::F64(_) => Err(wrong_precision(Dtype::F32)),
        }
    }

    pub(crate) fn f64(self) -> Result<&'a [f64]> {
        match self {
            Values::F64(values) => Ok(values),
            Values::F32(_) => Err(wrong_precision(Dtype::F64)),
        }
    }
}

impl<'a> ValuesMut<'a> {
    pub(crate) fn len(&self) -> usize {
        match self {
            ValuesMut::F32(values) => values.len(),
            ValuesMut::F64(values) => values.len(),
        }
    }

    pub(crate) fn set(&mut self, index: usize, value: f64) {
        match self {
            ValuesMut::F32(values) => values[index] = value as f32,
            ValuesMut::F64(values) => values[index] = value,
        }
    }

    /// Where the values are, and what they are.
    pub(crate) fn address(&mut self) -> (*mut u8, Dtype) {
        match self {
            ValuesMut::F32(values) => (values.as_mut_ptr().cast(), Dtype::F32),
            ValuesMut::F64(values) => (values.as_mut_ptr().cast(), Dtype::F64),
        }
    }

    pub(crate) fn f32(self) -> Result<&'a mut [f32]> {
        match self {
            ValuesMut::F32(values) => Ok(values),
            ValuesMut::F64(_) => Err(wrong_precision(Dtype::F32)),
        }
    }

    pub(crate) fn f64(self) -> Result<&'a mut [f64]> {
        match self {
            ValuesMut::F64(values) => Ok(values),
            ValuesMut::F32(_) => Err(wrong_precision(Dtype::F64)),
        }
    }
}

fn wrong_precision(needed: Dtype) -> Error {
    Error::Layout(format!("for these images ssim, saved and grad_ssim hold {}", needed.name()))
}

fn check(name: &str, given: Dtype, dtype: Dtype, length: usize, strides: Strides) -> Result<()> {
    if given != dtype {
        return Err(Error::Layout(format!("{name} holds {}; the problem has {}", given.name(), dtype.name())));
    }
    if length < strides.extent {
        return Err(Error::Shape(format!(
            "{name} holds {length} elements; the shape and strides need {}",
            strides.extent
        )));
    }
    Ok(())
}

macro_rules! from_slices {
    ($($type:ident, $slice:ty, $variant:ident;)*) => {$(
        impl<'a> From<$slice> for $type<'a> {
            fn from(slice: $slice) -> Self {
                $type::$variant(slice)
            }
        }
    )*};
}

from_slices! {
    Pixels, &'a [f32], F32;
    Pixels, &'a [u8], U8;
    Pixels, &'a [f64], F64;
    PixelsMut, &'a mut [f32], F32;
    PixelsMut, &'a mut [f64], F64;
    Values, &'a [f32], F32;
    Values, &'a [f64], F64;
    ValuesMut, &'a mut [f32], F32;
    ValuesMut, &'a mut [f64], F64;
}
