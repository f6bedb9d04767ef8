//! Weights of pixels.

use std::marker::PhantomData;

use crate::layout::{Dtype, Layout, Source, Strides};

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

    /// The memory as that of an image.
    pub(crate) fn as_source(&self) -> Source<'_> {
        let dtype = match self.spec.element {
            MaskElement::F32 => Dtype::F32,
            MaskElement::U8 => Dtype::U8,
        };
        // SAFETY: the view's maker promised every element that the strides reach.
        unsafe { Source::from_raw(self.data, dtype, self.spec.strides) }
    }

    /// Whether all channels of an image have the same weights in memory.
    pub(crate) fn shared_by_channels(&self) -> bool {
        self.spec.strides.c == 0
    }

    /// The sum of `count` weights of a row from `at` = [n, c, h, column] on.
    ///
    /// # Safety
    /// As for [`Mask::read_row`].
    pub(crate) unsafe fn sum_row(&self, [n, c, h, column]: [usize; 4], count: usize) -> f64 {
        /// Sums side by side, for vectors.
        const LANES: usize = 8;
        let (mut sums, mut floats) = ([0.0f64; LANES], [0.0f32; 16 * LANES]);
        let mut done = 0;
        while done < count {
            let part = (count - done).min(floats.len());
            // SAFETY: the caller's promise.
            unsafe { self.read_floats([n, c, h, column + done], &mut floats[..part]) };
            floats[part..].fill(0.0);
            for weights in floats.chunks_exact(LANES) {
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += f64::from(weight);
                }
            }
            done += part;
        }
        sums.iter().sum()
    }

    /// As [`Mask::read_row`], in f32 and from `at` = [n, c, h, column] on.
    ///
    /// # Safety
    /// As for [`Mask::read_row`].
    #[inline(always)]
    pub(crate) unsafe fn read_floats(&self, [n, c, h, column]: [usize; 4], into: &mut [f32]) {
        let Strides { n: sn, c: sc, h: sh, w: sw, .. } = self.spec.strides;
        let first = n * sn + c * sc + h * sh + column * sw;
        // SAFETY: the caller keeps the indices inside the shape, and the view's maker promised those elements.
        unsafe {
            match (self.spec.element, sw) {
                (MaskElement::F32, 1) => {
                    let weights = std::slice::from_raw_parts(self.data.cast::<f32>().add(first), into.len());
                    into.copy_from_slice(weights);
                }
                (MaskElement::U8, 1) => {
                    let weights = std::slice::from_raw_parts(self.data.add(first), into.len());
                    for (into, &weight) in into.iter_mut().zip(weights) {
                        *into = f32::from(u8::from(weight != 0));
                    }
                }
                (MaskElement::F32, _) => {
                    for (i, into) in into.iter_mut().enumerate() {
                        *into = *self.data.cast::<f32>().add(first + i * sw);
                    }
                }
                (MaskElement::U8, _) => {
                    for (i, into) in into.iter_mut().enumerate() {
                        *into = f32::from(u8::from(*self.data.add(first + i * sw) != 0));
                    }
                }
            }
        }
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
