//! Arrays that compilers turn into whatever vectors the target has.

use super::Vector;
use crate::cpu::tile::{TILE, Tile};

const LANES: usize = 4;

/// Four floats.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Portable([f32; LANES]);

/// Without the instruction, `f32::mul_add` is a call into the C library.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

#[inline(always)]
fn zip(a: Portable, b: Portable, operation: impl Fn(f32, f32) -> f32) -> Portable {
    let mut out = [0.0; LANES];
    for lane in 0..LANES {
        out[lane] = operation(a.0[lane], b.0[lane]);
    }
    Portable(out)
}

#[allow(clippy::missing_safety_doc, reason = "documented at the trait")]
impl Vector for Portable {
    const LANES: usize = LANES;
    const FOLD: bool = !FUSED;
    type Sum = [f64; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for LANES floats, the caller's promise.
        Portable(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for LANES floats, the caller's promise.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        zip(self, other, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        zip(self, other, |a, b| a - b)
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        zip(self, other, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        let mut out = addend.0;
        for lane in 0..LANES {
            out[lane] = if FUSED {
                self.0[lane].mul_add(factor.0[lane], out[lane])
            } else {
                out[lane] + self.0[lane] * factor.0[lane]
            };
        }
        Portable(out)
    }

    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, addend: Self) -> Self {
        let mut out = addend.0;
        for lane in 0..LANES {
            out[lane] = if FUSED {
                (-self.0[lane]).mul_add(factor.0[lane], out[lane])
            } else {
                out[lane] - self.0[lane] * factor.0[lane]
            };
        }
        Portable(out)
    }

    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        zip(self, self, |a, _| 1.0 / a)
    }

    #[inline(always)]
    unsafe fn quotient(self, divisor: Self, _reciprocal: Self) -> Self {
        zip(self, divisor, |a, b| a / b)
    }

    #[inline(always)]
    unsafe fn and(self, mask: Self) -> Self {
        zip(self, mask, |a, b| f32::from_bits(a.to_bits() & b.to_bits()))
    }

    #[inline(always)]
    unsafe fn zero_sum() -> Self::Sum {
        [0.0; LANES]
    }

    #[inline(always)]
    unsafe fn add_to_sum(self, mut sum: Self::Sum) -> Self::Sum {
        for lane in 0..LANES {
            sum[lane] += f64::from(self.0[lane]);
        }
        sum
    }

    #[inline(always)]
    unsafe fn total(sum: Self::Sum) -> f64 {
        (sum[0] + sum[2]) + (sum[1] + sum[3])
    }

    #[inline(always)]
    unsafe fn transpose(from: &Tile, to: &mut Tile) {
        for row in (0..TILE).step_by(LANES) {
            for column in (0..TILE).step_by(LANES) {
                for i in 0..LANES {
                    for j in 0..LANES {
                        to.0[column + j][row + i] = from.0[row + i][column + j];
                    }
                }
            }
        }
    }
}
