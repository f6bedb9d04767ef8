//! AVX-512: sixteen floats, a whole row of a tile.

use std::arch::x86_64::*;

use super::{Vector, load_any_stride, store_any_stride};
use crate::cpu::tile::{TILE, Tile};

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Avx512(__m512);

/// Sixteen pixels of three interleaved channels are three vectors. As 3 and 16 have no common factor, one channel's pixel
/// i, element 3 i of the 48, has a lane (3 i mod 16) of its own: one blend of the three vectors holds them all.
const THIRDS: [__mmask16; 3] = {
    let mut masks = [0; 3];
    let mut i = 0;
    while i < TILE {
        masks[3 * i / TILE] |= 1 << (3 * i % TILE);
        i += 1;
    }
    masks
};

/// Lane of pixel i, and its inverse: 11 * 3 = 33 = 2 * 16 + 1.
const LANE_OF_PIXEL: [i32; TILE] = multiples(3);
const PIXEL_OF_LANE: [i32; TILE] = multiples(11);

const fn multiples(of: i32) -> [i32; TILE] {
    let mut lanes = [0; TILE];
    let mut i = 0;
    while i < TILE {
        lanes[i] = of * i as i32 % TILE as i32;
        i += 1;
    }
    lanes
}

// SAFETY of every block below: the caller promises AVX-512F (see the trait), and pointers valid for 16 floats.
#[allow(clippy::missing_safety_doc, clippy::undocumented_unsafe_blocks, reason = "one reason for all, stated above")]
impl Vector for Avx512 {
    const LANES: usize = TILE;
    const FOLD: bool = true;
    type Sum = (__m512d, __m512d);

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Avx512(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Avx512(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn load_strided(from: *const f32, stride: usize) -> Self {
        unsafe {
            if stride != 3 {
                return load_any_stride(from, stride);
            }
            // Lanes outside a mask are not read: behind the last pixel there may be no memory.
            let mut blend = _mm512_maskz_loadu_ps(THIRDS[0], from);
            blend = _mm512_mask_loadu_ps(blend, THIRDS[1], from.add(TILE));
            blend = _mm512_mask_loadu_ps(blend, THIRDS[2], from.add(2 * TILE));
            Avx512(_mm512_permutexvar_ps(_mm512_loadu_epi32(LANE_OF_PIXEL.as_ptr()), blend))
        }
    }

    #[inline(always)]
    unsafe fn store_strided(self, to: *mut f32, stride: usize) {
        unsafe {
            if stride != 3 {
                return store_any_stride(self, to, stride);
            }
            let lanes = _mm512_permutexvar_ps(_mm512_loadu_epi32(PIXEL_OF_LANE.as_ptr()), self.0);
            for (i, mask) in THIRDS.into_iter().enumerate() {
                _mm512_mask_storeu_ps(to.add(i * TILE), mask, lanes);
            }
        }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Avx512(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Avx512(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Avx512(unsafe { _mm512_fnmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    unsafe fn product_loss(self, factor: Self, product: Self) -> Self {
        Avx512(unsafe { _mm512_fmsub_ps(self.0, factor.0, product.0) })
    }

    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        Avx512(unsafe { _mm512_div_ps(_mm512_set1_ps(1.0), self.0) })
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
        unsafe {
            let bits = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_castps_si512(mask.0));
            Avx512(_mm512_castsi512_ps(bits))
        }
    }

    #[inline(always)]
    unsafe fn where_nonzero(self, weight: Self) -> Self {
        unsafe {
            let nonzero = _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(weight.0, _mm512_setzero_ps());
            Avx512(_mm512_maskz_mov_ps(nonzero, self.0))
        }
    }

    #[inline(always)]
    unsafe fn sign(self) -> Self {
        unsafe {
            let sign = _mm512_and_si512(_mm512_castps_si512(self.0), _mm512_set1_epi32(i32::MIN));
            let one = _mm512_castsi512_ps(_mm512_or_si512(sign, _mm512_castps_si512(_mm512_set1_ps(1.0))));
            // Zero and NaN stay what they are.
            let other = _mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(self.0, _mm512_setzero_ps());
            Avx512(_mm512_mask_mov_ps(self.0, other, one))
        }
    }

    #[inline(always)]
    unsafe fn zero_sum() -> Self::Sum {
        unsafe { (_mm512_setzero_pd(), _mm512_setzero_pd()) }
    }

    #[inline(always)]
    unsafe fn add_to_sum(self, sum: Self::Sum) -> Self::Sum {
        unsafe {
            let low = _mm512_castps512_ps256(self.0);
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
            (_mm512_add_pd(sum.0, _mm512_cvtps_pd(low)), _mm512_add_pd(sum.1, _mm512_cvtps_pd(high)))
        }
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> f64 {
        unsafe { _mm512_reduce_add_pd(_mm512_add_pd(sum.0, sum.1)) }
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
        unsafe {
            let mut a = [_mm512_setzero_ps(); TILE];
            for (vector, row) in a.iter_mut().zip(&from.0) {
                *vector = _mm512_loadu_ps(row.as_ptr());
            }
            // Transposes 4x4 blocks inside the 128-bit lanes of each four rows.
            let mut b = a;
            for i in (0..TILE).step_by(4) {
                let (ab_low, ab_high) = (_mm512_unpacklo_ps(a[i], a[i + 1]), _mm512_unpackhi_ps(a[i], a[i + 1]));
                let (cd_low, cd_high) =
                    (_mm512_unpacklo_ps(a[i + 2], a[i + 3]), _mm512_unpackhi_ps(a[i + 2], a[i + 3]));
                b[i] = _mm512_shuffle_ps::<0x44>(ab_low, cd_low);
                b[i + 1] = _mm512_shuffle_ps::<0xee>(ab_low, cd_low);
                b[i + 2] = _mm512_shuffle_ps::<0x44>(ab_high, cd_high);
                b[i + 3] = _mm512_shuffle_ps::<0xee>(ab_high, cd_high);
            }
            // b[4 * r + k] holds, in lane q, column 4 * q + k of rows 4 * r to 4 * r + 3: transpose the lanes.
            for k in 0..4 {
                let (low01, low23) =
                    (_mm512_shuffle_f32x4::<0x44>(b[k], b[4 + k]), _mm512_shuffle_f32x4::<0x44>(b[8 + k], b[12 + k]));
                let (high01, high23) =
                    (_mm512_shuffle_f32x4::<0xee>(b[k], b[4 + k]), _mm512_shuffle_f32x4::<0xee>(b[8 + k], b[12 + k]));
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(low01, low23),
                    _mm512_shuffle_f32x4::<0xdd>(low01, low23),
                    _mm512_shuffle_f32x4::<0x88>(high01, high23),
                    _mm512_shuffle_f32x4::<0xdd>(high01, high23),
                ];
                for (q, &vector) in columns.iter().enumerate() {
                    _mm512_storeu_ps(to.0[4 * q + k].as_mut_ptr(), vector);
                }
            }
        }
    }
}
