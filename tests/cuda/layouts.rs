//! How images and masks lie in memory.

use crate::capi;
use crate::elements::{Dtype, Elements};
use crate::masked::mask;
use crate::support::Size;

/// How the elements of an image lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// NCHW without gaps, by strides of zero.
    Dense,
    /// Channels last.
    Nhwc,
    /// Each plane column by column, as in a Julia array of size (h, w, c, n).
    ColumnMajor,
    /// A part of a larger image: rows and planes have gaps between them.
    Crop,
    /// Every second element in each direction.
    Sparse,
}

impl Layout {
    pub const ALL: &'static [Layout] =
        &[Layout::Dense, Layout::Nhwc, Layout::ColumnMajor, Layout::Crop, Layout::Sparse];

    /// Strides for N, C, H and W, in elements.
    pub fn strides(self, [_, c, h, w]: Size) -> [usize; 4] {
        match self {
            Layout::Dense => [c * h * w, h * w, w, 1],
            Layout::Nhwc => [h * w * c, 1, w * c, c],
            Layout::ColumnMajor => [c * h * w, h * w, 1, h],
            Layout::Crop => [c * (h + 3) * (w + 5) + 7, (h + 3) * (w + 5), w + 5, 1],
            Layout::Sparse => [8 * c * h * w, 8 * h * w, 4 * w, 2],
        }
    }

    pub fn for_c(self, size: Size, dtype: Dtype, scale: f64) -> capi::fssim_layout {
        let strides = if self == Layout::Dense { [0; 4] } else { self.strides(size).map(|stride| stride as i64) };
        capi::fssim_layout { dtype: dtype.for_c(), reserved: 0, scale, strides }
    }

    /// Where each element of the dense image lies.
    fn offsets(self, size: Size) -> impl Iterator<Item = usize> {
        let [n, c, h, w] = size;
        let strides = self.strides(size);
        (0..n * c * h * w).map(move |i| {
            let index = [i / (w * h * c), i / (w * h) % c, i / w % h, i % w];
            index.iter().zip(strides).map(|(index, stride)| index * stride).sum()
        })
    }

    pub fn extent(self, size: Size) -> usize {
        size.iter().zip(self.strides(size)).map(|(size, stride)| (size - 1) * stride).sum::<usize>() + 1
    }

    /// The memory of an image: its elements in their places, and between them a NaN that is not the poison of outputs: what
    /// is computed from it keeps its bits, and would look there like memory that was left alone.
    pub fn scatter(self, size: Size, dtype: Dtype, dense: &[f32]) -> Vec<u8> {
        let bytes = dtype.bytes();
        let mut memory = dtype.encode(f32::NAN).repeat(self.extent(size));
        for (offset, &value) in self.offsets(size).zip(dense) {
            memory[offset * bytes..][..bytes].copy_from_slice(&dtype.encode(value));
        }
        memory
    }

    /// The elements of an image, after checking that nothing between them was written.
    #[track_caller]
    pub fn gather(self, size: Size, dtype: Dtype, elements: &Elements) -> Vec<f32> {
        let (bytes, mut memory) = (dtype.bytes(), elements.read());
        let mut dense = Vec::new();
        for offset in self.offsets(size) {
            let element = offset * bytes..(offset + 1) * bytes;
            dense.push(dtype.decode(&memory[element.clone()]));
            element.for_each(|i| memory[i] = elements.poison(i));
        }
        assert!(
            (0..memory.len()).all(|i| memory[i] == elements.poison(i)),
            "{self:?}: memory between the elements was written"
        );
        dense
    }
}

/// A mask that weights the mean.
#[derive(Debug, Clone, Copy)]
pub struct Mask {
    /// F32 or U8.
    pub dtype: Dtype,
    pub layout: Layout,
    /// Whether all channels of an image have the same weights in memory.
    pub shared: bool,
    /// What random weights of about 1 are multiplied by.
    pub factor: f32,
}

impl Mask {
    pub fn size(self, [n, c, h, w]: Size) -> Size {
        [n, if self.shared { 1 } else { c }, h, w]
    }

    pub fn layout(self, size: Size) -> capi::fssim_layout {
        let [n, c, h, w] = self.layout.strides(self.size(size)).map(|stride| stride as i64);
        let strides = [n, if self.shared { 0 } else { c }, h, w];
        capi::fssim_layout { dtype: self.dtype.for_c(), reserved: 0, scale: 0.0, strides }
    }

    /// The elements in memory, dense.
    pub fn elements(self, size: Size) -> Vec<f32> {
        let weights = mask(self.size(size)).into_iter();
        match self.dtype {
            Dtype::U8 => weights.map(|m| (m * self.factor * 200.0).ceil()).collect(),
            _ => weights.map(|m| m * self.factor).collect(),
        }
    }

    /// What they stand for, for every channel.
    pub fn weights(self, size @ [n, c, h, w]: Size) -> Vec<f64> {
        let elements = self.elements(size);
        let weight = |m: f32| if self.dtype == Dtype::U8 { f64::from(u8::from(m != 0.0)) } else { f64::from(m) };
        let at = |i: usize| if self.shared { i / (c * h * w) * h * w + i % (h * w) } else { i };
        (0..n * c * h * w).map(|i| weight(elements[at(i)])).collect()
    }
}
