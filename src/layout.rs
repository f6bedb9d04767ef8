//! Where the elements of an image lie, and checked views of it.

use std::marker::PhantomData;

use crate::problem::Shape;
use crate::status::{Error, Result};

/// Element strides for N, C, H and W as a caller gives them; all zero means dense NCHW.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// Strides in elements, in the order N, C, H, W.
    pub strides: [i64; 4],
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
    /// Dense NCHW.
    pub const DENSE: Layout = Layout { strides: [0; 4] };

    /// Explicit strides, in elements.
    pub const fn strided(n: i64, c: i64, h: i64, w: i64) -> Self {
        Layout { strides: [n, c, h, w] }
    }

    /// Checks the strides of an input against a shape. `name` is used in the message.
    pub fn resolve(&self, name: &str, shape: Shape) -> Result<Strides> {
        let [n, c, h, w] = if self.strides == [0; 4] {
            [shape.c * shape.h * shape.w, shape.h * shape.w, shape.w, 1]
        } else {
            let mut strides = [0; 4];
            for (stride, (&given, axis)) in strides.iter_mut().zip(self.strides.iter().zip(["n", "c", "h", "w"])) {
                *stride = usize::try_from(given).map_err(|_| {
                    Error::Layout(format!("{name}: stride_{axis} is {given}; strides must not be negative"))
                })?;
            }
            strides
        };
        let sizes = [shape.n, shape.c, shape.h, shape.w];
        let extent = [n, c, h, w]
            .iter()
            .zip(sizes)
            .try_fold(1usize, |extent, (&stride, size)| extent.checked_add(stride.checked_mul(size - 1)?))
            .filter(|&extent| extent <= isize::MAX as usize / 8)
            .ok_or_else(|| Error::Layout(format!("{name}: the strides span more memory than can be addressed")))?;
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
    data: *const f32,
    strides: Strides,
    lifetime: PhantomData<&'a [f32]>,
}

/// A borrowed image for writing.
#[derive(Clone, Copy)]
pub struct Sink<'a> {
    data: *mut f32,
    strides: Strides,
    lifetime: PhantomData<&'a mut [f32]>,
}

// SAFETY: a Source only reads memory that nobody writes while it lives.
unsafe impl Send for Source<'_> {}
// SAFETY: as above.
unsafe impl Sync for Source<'_> {}
// SAFETY: a Sink writes memory that nobody else touches while it lives; `write_row` is unsafe and makes its callers
// keep rows apart.
unsafe impl Send for Sink<'_> {}
// SAFETY: as above.
unsafe impl Sync for Sink<'_> {}

impl<'a> Source<'a> {
    /// A view of `data`, which must hold the `extent` of the strides.
    pub fn new(name: &str, data: &'a [f32], strides: Strides) -> Result<Self> {
        check_length(name, data.len(), strides)?;
        Ok(Source { data: data.as_ptr(), strides, lifetime: PhantomData })
    }

    /// A view of memory that C owns.
    ///
    /// # Safety
    /// `data` is aligned and valid for reads of every element that `strides` reaches, for `'a`.
    pub unsafe fn from_raw(data: *const f32, strides: Strides) -> Self {
        Source { data, strides, lifetime: PhantomData }
    }

    /// The address of an element, and the stride from one column to the next.
    ///
    /// # Safety
    /// The indices are inside the shape that the strides were resolved for.
    #[inline(always)]
    pub unsafe fn at(&self, n: usize, c: usize, h: usize, column: usize) -> (*const f32, usize) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.strides;
        // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
        (unsafe { self.data.add(n * sn + c * sc + h * sh + column * sw) }, sw)
    }

    /// Elements from one row to the next.
    pub(crate) fn row_stride(&self) -> usize {
        self.strides.h
    }
}

impl<'a> Sink<'a> {
    /// A view of `data`, which must hold the `extent` of the strides.
    pub fn new(name: &str, data: &'a mut [f32], strides: Strides) -> Result<Self> {
        check_length(name, data.len(), strides)?;
        Ok(Sink { data: data.as_mut_ptr(), strides, lifetime: PhantomData })
    }

    /// A view of memory that C owns.
    ///
    /// # Safety
    /// `data` is aligned and valid for writes of every element that `strides` reaches, for `'a`, and nobody else
    /// touches those elements meanwhile.
    pub unsafe fn from_raw(data: *mut f32, strides: Strides) -> Self {
        Sink { data, strides, lifetime: PhantomData }
    }

    /// The address of an element, and the stride from one column to the next.
    ///
    /// # Safety
    /// As for [`Source::at`].
    #[inline(always)]
    pub unsafe fn at(&self, n: usize, c: usize, h: usize, column: usize) -> (*mut f32, usize) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.strides;
        // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
        (unsafe { self.data.add(n * sn + c * sc + h * sh + column * sw) }, sw)
    }

    /// The same memory, to be read.
    pub(crate) fn as_source(&self) -> Source<'a> {
        Source { data: self.data, strides: self.strides, lifetime: PhantomData }
    }

    /// Writes `from` from column `column` of a row on.
    ///
    /// # Safety
    /// As for [`Source::at`], the last column included; no other thread writes the same elements.
    #[inline(always)]
    pub unsafe fn write_row(&self, n: usize, c: usize, h: usize, column: usize, from: &[f32]) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.strides;
        // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
        unsafe {
            let row = self.data.add(n * sn + c * sc + h * sh + column * sw);
            if sw == 1 {
                std::ptr::copy_nonoverlapping(from.as_ptr(), row, from.len());
            } else {
                for (i, &pixel) in from.iter().enumerate() {
                    *row.add(i * sw) = pixel;
                }
            }
        }
    }
}

fn check_length(name: &str, length: usize, strides: Strides) -> Result<()> {
    if length < strides.extent {
        return Err(Error::Shape(format!(
            "{name} holds {length} elements; the shape and strides need {}",
            strides.extent
        )));
    }
    Ok(())
}
