//! Where the elements of an image lie, and checked views of it.

use std::marker::PhantomData;

use crate::problem::Shape;
use crate::status::{Error, Result};

/// What the elements of an image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dtype {
    /// 32-bit floating point.
    #[default]
    F32,
    /// 16-bit floating point (IEEE half).
    F16,
    /// bfloat16.
    Bf16,
    /// Unsigned byte. Inputs only.
    U8,
    /// 64-bit floating point. Both images and every gradient, or none.
    F64,
}

impl Dtype {
    /// Bytes of an element.
    pub const fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::U8 => 1,
            Dtype::F64 => 8,
        }
    }

    /// What a pixel is multiplied by on load unless the caller says otherwise: bytes span the data range.
    pub const fn default_scale(self, data_range: f64) -> f64 {
        match self {
            Dtype::U8 => data_range / 255.0,
            _ => 1.0,
        }
    }

    /// The name that the C constants end in.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::Bf16 => "BF16",
            Dtype::U8 => "U8",
            Dtype::F64 => "F64",
        }
    }
}

/// Element strides for N, C, H and W as a caller gives them, and what the elements are. All zero means dense NCHW.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Layout {
    /// Strides in elements, in the order N, C, H, W.
    pub strides: [i64; 4],
    /// What the elements are.
    pub dtype: Dtype,
    /// What each pixel is multiplied by on load; 0: [`Dtype::default_scale`]. Not used for gradients.
    pub scale: f64,
}

/// Checked element strides, with the number of elements from the first to one past the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strides {
    /// From one image of the batch to the next.
    pub n: usize,
    /// From one channel to the next.
    pub c: usize,
    /// From one row to the next.
    pub h: usize,
    /// From one column to the next.
    pub w: usize,
    /// Elements from the first to one past the last.
    pub extent: usize,
}

impl Layout {
    /// Dense NCHW of f32.
    pub const DENSE: Layout = Layout { strides: [0; 4], dtype: Dtype::F32, scale: 0.0 };

    /// Explicit strides, in elements of f32.
    pub const fn strided(n: i64, c: i64, h: i64, w: i64) -> Self {
        Layout { strides: [n, c, h, w], ..Layout::DENSE }
    }

    /// The same places with elements of another kind.
    pub const fn with_dtype(self, dtype: Dtype) -> Self {
        Layout { dtype, ..self }
    }

    /// The same elements, multiplied by another factor on load.
    pub const fn with_scale(self, scale: f64) -> Self {
        Layout { scale, ..self }
    }

    /// The factor on load.
    pub(crate) fn resolved_scale(&self, data_range: f64) -> f64 {
        if self.scale == 0.0 { self.dtype.default_scale(data_range) } else { self.scale }
    }

    /// Checks the strides of an input against a shape. `name` is used in the message.
    pub fn resolve(&self, name: &str, shape: Shape) -> Result<Strides> {
        let sizes = [shape.n, shape.c, shape.h, shape.w];
        let dense = [shape.c * shape.h * shape.w, shape.h * shape.w, shape.w, 1];
        let mut strides = dense;
        if self.strides != [0; 4] {
            for (i, axis) in ["n", "c", "h", "w"].into_iter().enumerate() {
                let given = self.strides[i];
                let stride = usize::try_from(given).map_err(|_| {
                    Error::Layout(format!("{name}: stride_{axis} is {given}; strides must not be negative"))
                })?;
                // Nothing lies a stride further along an axis of one, so that it may be any number; but backends look ahead.
                strides[i] = if sizes[i] == 1 { stride.min(dense[i]) } else { stride };
            }
        }
        let [n, c, h, w] = strides;
        let extent = [n, c, h, w]
            .iter()
            .zip(sizes)
            .try_fold(1usize, |extent, (&stride, size)| extent.checked_add(stride.checked_mul(size - 1)?))
            .filter(|&extent| extent <= isize::MAX as usize / 8)
            .ok_or_else(|| {
                Error::Layout(format!(
                    "{name}: with strides {:?} and the shape {sizes:?} it spans more memory than can be addressed",
                    self.strides
                ))
            })?;
        Ok(Strides { n, c, h, w, extent })
    }

    /// As `resolve`, and refuses strides with which two elements would share an address.
    pub fn resolve_output(&self, name: &str, shape: Shape) -> Result<Strides> {
        let strides = self.resolve(name, shape)?;
        let mut axes: Vec<(usize, usize)> =
            [(strides.n, shape.n), (strides.c, shape.c), (strides.h, shape.h), (strides.w, shape.w)]
                .into_iter()
                .filter(|&(_, size)| size > 1)
                .collect();
        axes.sort_unstable();
        let mut reach = 0;
        for (stride, size) in axes {
            // Each axis must step past everything that the finer axes can reach.
            if stride <= reach {
                return Err(Error::Layout(format!(
                    "{name}: with strides {:?} two elements share an address; an output needs one for each",
                    self.strides
                )));
            }
            reach += stride * (size - 1);
        }
        Ok(strides)
    }
}

/// A borrowed image for reading.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    data: *const u8,
    dtype: Dtype,
    /// Bytes of an element.
    size: usize,
    strides: Strides,
    lifetime: PhantomData<&'a [u8]>,
}

/// A borrowed image for writing.
#[derive(Clone, Copy)]
pub struct Sink<'a> {
    data: *mut u8,
    dtype: Dtype,
    /// Bytes of an element.
    size: usize,
    strides: Strides,
    lifetime: PhantomData<&'a mut [u8]>,
}

// SAFETY: a Source only reads memory that nobody writes while it lives.
unsafe impl Send for Source<'_> {}
// SAFETY: as above.
unsafe impl Sync for Source<'_> {}
// SAFETY: a Sink writes memory that nobody else touches while it lives; `at` is unsafe and makes its callers keep rows
// apart.
unsafe impl Send for Sink<'_> {}
// SAFETY: as above.
unsafe impl Sync for Sink<'_> {}

impl<'a> Source<'a> {
    /// A view of memory that somebody else owns.
    ///
    /// # Safety
    /// `data` is aligned for `dtype` and valid for reads of every element that `strides` reaches, for `'a`.
    pub unsafe fn from_raw(data: *const u8, dtype: Dtype, strides: Strides) -> Self {
        Source { data, dtype, size: dtype.size(), strides, lifetime: PhantomData }
    }

    /// What the elements are.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The address of an element, and the stride from one column to the next, in elements.
    ///
    /// # Safety
    /// The indices are inside the shape that the strides were resolved for.
    #[inline(always)]
    pub unsafe fn at(&self, n: usize, c: usize, h: usize, column: usize) -> (*const u8, usize) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.strides;
        let offset = (n * sn + c * sc + h * sh + column * sw) * self.size;
        // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
        (unsafe { self.data.add(offset) }, sw)
    }

    /// Bytes from one row to the next.
    pub(crate) fn row_bytes(&self) -> usize {
        self.strides.h * self.size
    }

    /// Bytes from one column to the next.
    pub(crate) fn column_bytes(&self) -> usize {
        self.strides.w * self.size
    }
}

impl<'a> Sink<'a> {
    /// A view of memory that somebody else owns.
    ///
    /// # Safety
    /// `data` is aligned for `dtype` and valid for writes of every element that `strides` reaches, for `'a`, and nobody
    /// else touches those elements meanwhile.
    pub unsafe fn from_raw(data: *mut u8, dtype: Dtype, strides: Strides) -> Self {
        Sink { data, dtype, size: dtype.size(), strides, lifetime: PhantomData }
    }

    /// What the elements are.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The address of an element, and the stride from one column to the next, in elements.
    ///
    /// # Safety
    /// As for [`Source::at`]; no other thread writes what the caller writes there.
    #[inline(always)]
    pub unsafe fn at(&self, n: usize, c: usize, h: usize, column: usize) -> (*mut u8, usize) {
        // SAFETY: the caller's promise.
        let (address, stride) = unsafe { self.as_source().at(n, c, h, column) };
        (address.cast_mut(), stride)
    }

    /// The same memory, to be read.
    pub(crate) fn as_source(&self) -> Source<'a> {
        Source { data: self.data, dtype: self.dtype, size: self.size, strides: self.strides, lifetime: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stride_that_is_never_taken_may_be_any_number() {
        let shape = Shape::new(1, 1, 5, 1).expect("a shape");
        let strides = Layout::strided(i64::MAX, 0, 3, i64::MAX).resolve("img1", shape).expect("valid strides");
        assert_eq!(strides, Strides { n: 5, c: 0, h: 3, w: 1, extent: 13 });
        assert!(Layout::strided(-1, 5, 3, 1).resolve("img1", shape).is_err());
    }
}
