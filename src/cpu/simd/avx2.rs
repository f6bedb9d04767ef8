//! AVX2 with FMA: eight floats.

use std::arch::x86_64::*;

use super::Vector;
use crate::cpu::tile::{TILE, Tile};

/// Eight floats.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx2(__m256);

// SAFETY of every block below: the caller promises AVX2 and FMA (see the trait), and pointers valid for 8 floats.
#[allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks, reason = "one reason for all, stated above")]
impl Vector for Avx2 {
    const LANES: usize = 8;
    const FOLD: bool = false;
    type Sum = (__m256d, __m256d);

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Avx2(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Avx2(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Avx2(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Avx2(unsafe { _mm256_fnmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn product_loss(self, factor: Self, product: Self) -> Self {
        Avx2(unsafe { _mm256_fmsub_ps(self.0, factor.0, product.0) })
    }

    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        Avx2(unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), self.0) })
    }

    #[inline(always)]
    unsafe fn quotient(self, divisor: Self, reciprocal: Self) -> Self {
        // Markstein: with a correctly rounded reciprocal, one correction by the exact remainder rounds correctly.
        unsafe {
            let estimate = self.mul(reciprocal);
            estimate.neg_mul_add(divisor, self).mul_add(reciprocal, estimate)
        }
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Avx2(unsafe { _mm256_and_ps(self.0, mask.0) })
    }

    #[inline(always)]
    unsafe fn where_nonzero(self, weight: Self) -> Self {
        unsafe {
            let nonzero = _mm256_cmp_ps::<_CMP_NEQ_UQ>(weight.0, _mm256_setzero_ps());
            Avx2(_mm256_and_ps(self.0, nonzero))
        }
    }

    #[inline(always)]
    unsafe fn sign(self) -> Self {
        unsafe {
            let sign = _mm256_and_ps(self.0, _mm256_set1_ps(-0.0));
            let one = _mm256_or_ps(sign, _mm256_set1_ps(1.0));
            // Zero and NaN stay what they are.
            let other = _mm256_cmp_ps::<_CMP_NEQ_OQ>(self.0, _mm256_setzero_ps());
            Avx2(_mm256_blendv_ps(self.0, one, other))
        }
    }

    #[inline(always)]
    unsafe fn zero_sum() -> Self::Sum {
        unsafe { (_mm256_setzero_pd(), _mm256_setzero_pd()) }
    }

    #[inline(always)]
    unsafe fn add_to_sum(self, sum: Self::Sum) -> Self::Sum {
        unsafe {
            let low = _mm256_cvtps_pd(_mm256_castps256_ps128(self.0));
            let high = _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(self.0));
            (_mm256_add_pd(sum.0, low), _mm256_add_pd(sum.1, high))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> f64 {
        let mut lanes = [0.0; 4];
        unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), _mm256_add_pd(sum.0, sum.1)) };
        (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
    }

    #[inline(always)]
    unsafe fn prefetch<const WRITE: bool>(address: *const u8) {
        unsafe {
            if WRITE {
                _mm_prefetch::<_MM_HINT_ET0>(address.cast());
            } else {
                _mm_prefetch::<_MM_HINT_T1>(address.cast());
            }
        }
    }

    #[inline(always)]
    unsafe fn transpose(from: &Tile, to: &mut Tile) {
        for row in (0..TILE).step_by(8) {
            for column in (0..TILE).step_by(8) {
                unsafe {
                    let mut a = [_mm256_setzero_ps(); 8];
                    // Halves of rows r and r + 4 side by side, so that the steps below stay inside 128-bit lanes.
                    for i in 0..4 {
                        let upper = _mm_loadu_ps(from.0[row + i].as_ptr().add(column));
                        let lower = _mm_loadu_ps(from.0[row + i + 4].as_ptr().add(column));
                        a[i] = _mm256_set_m128(lower, upper);
                        let upper = _mm_loadu_ps(from.0[row + i].as_ptr().add(column + 4));
                        let lower = _mm_loadu_ps(from.0[row + i + 4].as_ptr().add(column + 4));
                        a[i + 4] = _mm256_set_m128(lower, upper);
                    }
                    for half in 0..2 {
                        let [a, b, c, d] = [a[4 * half], a[4 * half + 1], a[4 * half + 2], a[4 * half + 3]];
                        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                        let columns = [
                            _mm256_shuffle_ps::<0x44>(ab_low, cd_low),
                            _mm256_shuffle_ps::<0xee>(ab_low, cd_low),
                            _mm256_shuffle_ps::<0x44>(ab_high, cd_high),
                            _mm256_shuffle_ps::<0xee>(ab_high, cd_high),
                        ];
                        for (i, &vector) in columns.iter().enumerate() {
                            _mm256_storeu_ps(to.0[column + 4 * half + i].as_mut_ptr().add(row), vector);
                        }
                    }
                }
            }
        }
    }
}
