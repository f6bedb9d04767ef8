//! What every processor of the target architecture has: SSE2 on x86-64, NEON on aarch64, plain floats elsewhere.

use wide::f32x4;

use super::Vector;
use crate::cpu::tile::{TILE, Tile};

const LANES: usize = 4;

/// Four floats.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Portable(f32x4);

/// Whether `wide` fuses; without the instruction it multiplies and adds, which costs two.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

#[allow(clippy::missing_safety_doc, reason = "documented at the trait")]
impl Vector for Portable {
    const LANES: usize = LANES;
    const FOLD: bool = !FUSED;
    type Sum = [f64; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable(f32x4::splat(value))
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for LANES floats, the caller's promise.
        Portable(f32x4::new(unsafe { from.cast::<[f32; LANES]>().read_unaligned() }))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for LANES floats, the caller's promise.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0.to_array()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Portable(self.0 + other.0)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        Portable(self.0 - other.0)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Portable(self.0 * other.0)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        Portable(self.0.mul_add(factor.0, addend.0))
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        Portable(self.0.mul_neg_add(factor.0, addend.0))
    }

    #[inline(always)]
    unsafe fn product_loss(self, factor: Self, product: Self) -> Self {
        let [lanes, factors, products] = [self, factor, product].map(|vector| vector.0.to_array().map(f64::from));
        // The product of two floats fits into f64.
        Portable(f32x4::new(std::array::from_fn(|i| (lanes[i] * factors[i] - products[i]) as f32)))
    }

    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        Portable(f32x4::ONE / self.0)
    }

    #[inline(always)]
    unsafe fn quotient(self, divisor: Self, _reciprocal: Self) -> Self {
        Portable(self.0 / divisor.0)
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        Portable(self.0 & mask.0)
    }

    #[inline(always)]
    unsafe fn where_nonzero(self, weight: Self) -> Self {
        let (mut lanes, weights) = (self.0.to_array(), weight.0.to_array());
        for (lane, weight) in lanes.iter_mut().zip(weights) {
            *lane = if weight == 0.0 { 0.0 } else { *lane };
        }
        Portable(f32x4::new(lanes))
    }

    #[inline(always)]
    unsafe fn sign(self) -> Self {
        let mut lanes = self.0.to_array();
        for lane in &mut lanes {
            let one = 1f32.copysign(*lane);
            // Zero and NaN stay what they are.
            *lane = if lane.abs() > 0.0 { one } else { *lane };
        }
        Portable(f32x4::new(lanes))
    }

    #[inline(always)]
    unsafe fn zero_sum() -> Self::Sum {
        [0.0; LANES]
    }

    #[inline(always)]
    unsafe fn add_to_sum(self, mut sum: Self::Sum) -> Self::Sum {
        for (sum, value) in sum.iter_mut().zip(self.0.to_array()) {
            *sum += f64::from(value);
        }
        sum
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> f64 {
        (sum[0] + sum[2]) + (sum[1] + sum[3])
    }

    #[inline(always)]
    unsafe fn prefetch<const WRITE: bool>(_address: *const u8) {}

    #[inline(always)]
    unsafe fn transpose(from: &Tile, to: &mut Tile) {
        for row in (0..TILE).step_by(LANES) {
            for column in (0..TILE).step_by(LANES) {
                let mut block = [f32x4::ZERO; LANES];
                for i in 0..LANES {
                    // SAFETY: columns `column` to `column + 3` of a row.
                    block[i] = unsafe { Portable::load(from.0[row + i].as_ptr().add(column)) }.0;
                }
                for (j, vector) in f32x4::transpose(block).into_iter().enumerate() {
                    // SAFETY: as above.
                    unsafe { Portable(vector).store(to.0[column + j].as_mut_ptr().add(row)) };
                }
            }
        }
    }
}
