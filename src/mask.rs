//! Weights of pixels.

use std::marker::PhantomData;

use crate::layout::{Layout, Strides};

/// What a mask does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskMode {
    /// The value is sum(m S) / sum(m).
    WeightedMean,
    /// Both images are multiplied by the mask first.
    MultiplyInputs,
    /// Windows are renormalised by the mask inside them, and the value is sum(m S) / sum(m).
    Normalized,
}

impl MaskMode {
    /// Whether the mask weights the mean.
    pub fn weights_mean(self) -> bool {
        self != MaskMode::MultiplyInputs
    }
}

/// What a mask is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskElement {
    /// 32-bit weights.
    F32,
    /// Bytes: 0 is 0, everything else is 1.
    U8,
}

/// A mask as a caller describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskOptions {
    /// What it does.
    pub mode: MaskMode,
    /// What it is made of.
    pub element: MaskElement,
    /// Where its elements lie.
    pub layout: Layout,
}

/// A mask whose strides have been checked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskSpec {
    /// What it does.
    pub mode: MaskMode,
    /// What it is made of.
    pub element: MaskElement,
    /// Where its elements lie.
    pub strides: Strides,
}

impl MaskElement {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            MaskElement::F32 => size_of::<f32>(),
            MaskElement::U8 => size_of::<u8>(),
        }
    }
}

/// A borrowed mask.
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a> {
    data: *const u8,
    spec: MaskSpec,
    lifetime: PhantomData<&'a [u8]>,
}

// SAFETY: a Mask only reads memory that nobody writes while it lives.
unsafe impl Send for Mask<'_> {}
// SAFETY: as above.
unsafe impl Sync for Mask<'_> {}

impl Mask<'_> {
    /// A view of memory that C owns.
    ///
    /// # Safety
    /// `data` is aligned and valid for reads of every element that the strides reach, for the lifetime.
    pub(crate) unsafe fn from_raw(data: *const u8, spec: MaskSpec) -> Self {
        Mask { data, spec, lifetime: PhantomData }
    }

    pub(crate) fn mode(&self) -> MaskMode {
        self.spec.mode
    }

    /// Reads `into.len()` weights of a row from a column on.
    ///
    /// # Safety
    /// The indices are inside the shape that the strides were resolved for, the last column read included.
    pub(crate) unsafe fn read_row(&self, n: usize, c: usize, h: usize, column: usize, into: &mut [f64]) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.spec.strides;
        let first = n * sn + c * sc + h * sh + column * sw;
        for (i, weight) in into.iter_mut().enumerate() {
            let at = first + i * sw;
            // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
            *weight = unsafe {
                match self.spec.element {
                    MaskElement::F32 => f64::from(*self.data.cast::<f32>().add(at)),
                    MaskElement::U8 => f64::from(u8::from(*self.data.add(at) != 0)),
                }
            };
        }
    }
}
