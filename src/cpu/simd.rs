//! The vectors that the CPU backend computes with: one small trait, one implementation per instruction set.
//!
//! Everything generic over [`Vector`] is `#[inline(always)]`, so that it becomes part of the function in `rung` that
//! enables the instructions. Closures are avoided there: they cannot be forced to inline.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::Portable;

use super::tile::{TILE, Tile};

/// Some lanes of f32. The number of lanes divides the side of a tile.
///
/// # Safety
/// The methods may only be called on a processor that has the implementation's instructions. Pointers must be valid for
/// LANES floats; they need no alignment.
#[allow(clippy::missing_safety_doc, reason = "one condition for all methods, stated above")]
pub(super) trait Vector: Copy {
    /// Floats in a vector.
    const LANES: usize;
    /// Whether to add the two inputs of equal taps before multiplying: 5 additions and 6 multiplications instead of 11
    /// fused multiply-adds. Pays where a whole window fits into registers.
    const FOLD: bool;
    /// Running sums in f64.
    type Sum: Copy;

    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self * factor + addend`, fused where the hardware does that.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `addend - self * factor`, fused where the hardware does that.
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self;
    /// What rounding lost of `product`, which is `self * factor`: the difference is exact.
    unsafe fn product_loss(self, factor: Self, product: Self) -> Self;
    /// 1 / self, correctly rounded.
    unsafe fn reciprocal(self) -> Self;
    /// `self / divisor`, exactly 1 for equal operands. `reciprocal` is that of the divisor.
    unsafe fn quotient(self, divisor: Self, reciprocal: Self) -> Self;
    /// The bits of `self` where `mask` has ones: selects, so that NaN does not survive a mask of zeros.
    unsafe fn and(self, mask: Self) -> Self;
    /// `self` where `weight` is not 0, otherwise 0, whatever `self` is.
    unsafe fn where_nonzero(self, weight: Self) -> Self;
    /// -1, 0 or 1; NaN for NaN.
    unsafe fn sign(self) -> Self;

    unsafe fn zero_sum() -> Self::Sum;
    unsafe fn add_to_sum(self, sum: Self::Sum) -> Self::Sum;
    unsafe fn total(sum: Self::Sum) -> f64;

    /// As `load`, from floats `stride` apart.
    #[inline(always)]
    unsafe fn load_strided(from: *const f32, stride: usize) -> Self {
        // SAFETY: the caller's promise.
        unsafe { load_any_stride(from, stride) }
    }

    /// As `store`, to floats `stride` apart; those between are not touched.
    #[inline(always)]
    unsafe fn store_strided(self, to: *mut f32, stride: usize) {
        // SAFETY: the caller's promise.
        unsafe { store_any_stride(self, to, stride) }
    }

    /// Asks for a line of memory, into the level-2 cache to be read, or into the level-1 cache to be written. Any address
    /// will do.
    unsafe fn prefetch<const WRITE: bool>(address: *const u8);

    /// `to[column][row] = from[row][column]`.
    unsafe fn transpose(from: &Tile, to: &mut Tile);
}

/// # Safety
/// As [`Vector::load_strided`].
#[inline(always)]
unsafe fn load_any_stride<V: Vector>(from: *const f32, stride: usize) -> V {
    // SAFETY: valid for LANES floats that far apart, the caller's promise; LANES is at most TILE.
    unsafe {
        if stride == 1 {
            return V::load(from);
        }
        let mut floats = [0.0; TILE];
        for lane in 0..V::LANES {
            floats[lane] = *from.add(lane * stride);
        }
        V::load(floats.as_ptr())
    }
}

/// # Safety
/// As [`Vector::store_strided`].
#[inline(always)]
unsafe fn store_any_stride<V: Vector>(vector: V, to: *mut f32, stride: usize) {
    // SAFETY: valid for LANES floats that far apart, the caller's promise; LANES is at most TILE.
    unsafe {
        if stride == 1 {
            return vector.store(to);
        }
        let mut floats = [0.0; TILE];
        vector.store(floats.as_mut_ptr());
        for lane in 0..V::LANES {
            *to.add(lane * stride) = floats[lane];
        }
    }
}
