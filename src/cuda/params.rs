//! The structs of `kernels/params.cuh`, field by field. A test compares sizes and offsets.

use std::ffi::c_void;

use super::DevicePtr;
use crate::geometry::{MAX_TAPS, WINDOW_TAPS};

/// `Image` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Image {
    pub data: DevicePtr,
    pub stride_n: i64,
    pub stride_c: i64,
    pub stride_h: i64,
    pub stride_w: i64,
    pub element: i32,
    pub element_bytes: i32,
}

/// `Divisor` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Divisor {
    pub value: i32,
    pub reciprocal: u32,
}

impl Divisor {
    /// `value` is at least 1.
    pub(crate) fn new(value: usize) -> Divisor {
        Divisor { value: value as i32, reciprocal: u32::MAX / value as u32 }
    }
}

/// `StripParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StripParams {
    pub img1: Image,
    pub img2: Image,
    pub grad: Image,
    pub map: DevicePtr,
    pub saved_pu: DevicePtr,
    pub saved_pv: DevicePtr,
    pub saved_mean1: DevicePtr,
    pub saved_mean2: DevicePtr,
    pub upstream: DevicePtr,
    pub partials: DevicePtr,
    pub second_partials: DevicePtr,
    pub first_plane: i32,
    pub channels: Divisor,
    pub height: i32,
    pub width: i32,
    pub own_begin: i32,
    pub own_end: i32,
    pub map_top: i32,
    pub map_left: i32,
    pub map_bottom: i32,
    pub map_right: i32,
    pub map_rows: i32,
    pub strips: Divisor,
    pub chunks: Divisor,
    pub chunk_rows: i32,
    pub saved_pitch: i32,
    pub upstream_mode: i32,
    pub planes_per_group: i32,
    pub pixel_mode: i32,
    pub pixel_loss: i32,
    pub scale1: f32,
    pub scale2: f32,
    pub two_c1: f32,
    pub two_c2: f32,
    pub origin_squares: f32,
    pub bright: f32,
    pub grad_scale: f32,
    pub pixel_grad_scale: f32,
    pub map_base: f32,
    pub map_scale: f32,
    pub taps: [f32; WINDOW_TAPS as usize],
    pub tap_tails: [f32; WINDOW_TAPS as usize - 1],
    pub weight_parts: i32,
    pub mask: Image,
    pub weight_sums: DevicePtr,
    pub grad2: Image,
    pub grad_scale2: f32,
}

/// `ReduceParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReduceParams {
    pub partials: DevicePtr,
    pub out: DevicePtr,
    pub per_group: i64,
    pub base: f64,
    pub scale: f64,
}

/// `GeneralParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GeneralParams {
    pub img1: Image,
    pub img2: Image,
    pub grad1: Image,
    pub grad2: Image,
    pub mask: Image,
    pub planes: DevicePtr,
    pub map: DevicePtr,
    pub upstream: DevicePtr,
    pub sums: DevicePtr,
    pub pixel_sums: DevicePtr,
    pub totals: DevicePtr,
    pub plane_pixels: i64,
    pub first_plane: i32,
    pub channels: i32,
    pub height: i32,
    pub width: i32,
    pub planes_per_group: i32,
    pub tile_rows: i32,
    pub tile_columns: i32,
    pub row_begin: i32,
    pub row_end: i32,
    pub own_begin: i32,
    pub own_end: i32,
    pub map_top: i32,
    pub map_left: i32,
    pub map_bottom: i32,
    pub map_right: i32,
    pub present_top: i32,
    pub present_bottom: i32,
    pub grad_row: i32,
    pub radius: i32,
    pub mask_mode: i32,
    pub upstream_mode: i32,
    pub pixel_loss: i32,
    pub scale1: f32,
    pub scale2: f32,
    pub unscale: f32,
    pub two_c1: f32,
    pub two_c2: f32,
    pub map_base: f32,
    pub map_scale: f32,
    pub grad_factor: f64,
    pub pixel_factor: f64,
    pub image_factor1: f64,
    pub image_factor2: f64,
    pub pixel_scale1: f64,
    pub pixel_scale2: f64,
    pub taps: [f32; MAX_TAPS as usize],
}

/// `WeightParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WeightParams {
    pub mask: Image,
    pub sums: DevicePtr,
    pub repeats: f64,
    pub first_sum: i32,
    pub groups_per_sum: i32,
    pub planes: i32,
    pub tiles: i32,
    pub plane_parts: i32,
    pub parts: Divisor,
    pub tile_parts: Divisor,
    pub column_tiles: Divisor,
    pub channels: Divisor,
    pub width: i32,
    pub own_begin: i32,
    pub own_end: i32,
    pub map_top: i32,
    pub map_left: i32,
    pub map_bottom: i32,
    pub map_right: i32,
}

/// `TotalParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TotalParams {
    pub sums: DevicePtr,
    pub totals: DevicePtr,
    pub parts: i32,
}

/// `GeneralReduceParams` of `kernels/params.cuh`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct GeneralReduceParams {
    pub sums: DevicePtr,
    pub pixel_sums: DevicePtr,
    pub map_weights: DevicePtr,
    pub weight_sums: DevicePtr,
    pub out: DevicePtr,
    pub per_group: i64,
    pub weight_parts: i32,
    pub divisor: f64,
    pub map_weight: f64,
    pub map_total: f64,
    pub pixel_total: f64,
    pub pixel_unit: f64,
    pub base: f64,
    pub scale: f64,
    pub lambda: f64,
}

/// The one argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Params {
    Strip(StripParams),
    Reduce(ReduceParams),
    General(GeneralParams),
    Weights(WeightParams),
    Totals(TotalParams),
    GeneralReduce(GeneralReduceParams),
}

impl Params {
    /// Where the driver finds the argument.
    pub(crate) fn as_ptr(&self) -> *const c_void {
        match self {
            Params::Strip(params) => (&raw const *params).cast(),
            Params::Reduce(params) => (&raw const *params).cast(),
            Params::General(params) => (&raw const *params).cast(),
            Params::Weights(params) => (&raw const *params).cast(),
            Params::Totals(params) => (&raw const *params).cast(),
            Params::GeneralReduce(params) => (&raw const *params).cast(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char};
    use std::fmt::Write as _;
    use std::mem::{align_of, offset_of, size_of};

    use cudarc::driver::sys;

    use super::*;

    fn size_of_member<S, T>(_: fn(&S) -> &T) -> usize {
        size_of::<T>()
    }

    /// The layout of structs in the form of cuEmuParamsLayout (tests/emulator/driver/emulated_cuda.h).
    macro_rules! layout {
        ($($name:ident { $($member:ident),* $(,)? })*) => {{
            let mut text = String::new();
            $(
                writeln!(text, "{} {} {}", stringify!($name), size_of::<$name>(), align_of::<$name>()).expect("a String takes it");
                $(
                    writeln!(
                        text,
                        "{}.{} {} {}",
                        stringify!($name),
                        stringify!($member),
                        offset_of!($name, $member),
                        size_of_member(|all: &$name| &all.$member),
                    )
                    .expect("a String takes it");
                )*
            )*
            text
        }};
    }

    /// What the C++ compiler made of kernels/params.cuh, or None without the emulated driver.
    fn layout_of_the_kernels() -> Option<String> {
        // SAFETY: opens libraries by the driver's names; their initialisers are the driver's own.
        if !unsafe { sys::is_culib_present() } {
            return None;
        }
        // SAFETY: the library was found, so culib does not panic; the type is that of emulated_cuda.h, and the text static.
        unsafe {
            let layout = sys::culib().get::<unsafe extern "C" fn() -> *const c_char>(b"cuEmuParamsLayout\0").ok()?;
            Some(CStr::from_ptr(layout()).to_str().expect("the text is ASCII").to_owned())
        }
    }

    #[test]
    fn a_product_with_the_reciprocal_is_the_quotient_or_one_less() {
        const MOST: u32 = i32::MAX as u32;
        for by in [1, 2, 3, 7, 18, 65_537, MOST / 2, MOST - 1, MOST] {
            let super::Divisor { value, reciprocal } = super::Divisor::new(by as usize);
            assert_eq!(value, by as i32);
            for number in [0, 1, by - 1, by, by.saturating_add(1), 2 * (by / 2), 1_000_003, MOST - 1, MOST] {
                let estimate = ((u64::from(number) * u64::from(reciprocal)) >> 32) as u32;
                let quotient = number / by;
                assert!(estimate == quotient || estimate + 1 == quotient, "{number} / {by}: {estimate}");
            }
        }
    }

    #[test]
    fn the_structs_are_those_of_the_kernels() {
        let Some(kernels) = layout_of_the_kernels() else {
            assert_ne!(std::env::var("FSSIM_NO_SKIP").as_deref(), Ok("1"), "the emulated CUDA driver was not found");
            println!("skipped: cuda::params::the_structs_are_those_of_the_kernels: it needs the emulated CUDA driver");
            return;
        };
        let here = layout! {
            Image { data, stride_n, stride_c, stride_h, stride_w, element, element_bytes }
            Divisor { value, reciprocal }
            StripParams {
                img1, img2, grad, map, saved_pu, saved_pv, saved_mean1, saved_mean2, upstream, partials,
                second_partials, first_plane, channels, height, width, own_begin, own_end, map_top, map_left, map_bottom, map_right,
                map_rows, strips, chunks, chunk_rows, saved_pitch, upstream_mode, planes_per_group, pixel_mode, pixel_loss, scale1, scale2, two_c1,
                two_c2, origin_squares, bright, grad_scale, pixel_grad_scale, map_base, map_scale, taps, tap_tails,
                weight_parts, mask, weight_sums, grad2, grad_scale2,
            }
            ReduceParams { partials, out, per_group, base, scale }
            GeneralParams {
                img1, img2, grad1, grad2, mask, planes, map, upstream, sums, pixel_sums, totals, plane_pixels, first_plane,
                channels, height, width, planes_per_group, tile_rows, tile_columns, row_begin, row_end, own_begin, own_end,
                map_top, map_left, map_bottom, map_right, present_top, present_bottom, grad_row, radius, mask_mode,
                upstream_mode, pixel_loss, scale1, scale2, unscale, two_c1, two_c2, map_base, map_scale, grad_factor,
                pixel_factor, image_factor1, image_factor2, pixel_scale1, pixel_scale2, taps,
            }
            WeightParams {
                mask, sums, repeats, first_sum, groups_per_sum, planes, tiles, plane_parts, parts, tile_parts, column_tiles,
                channels, width, own_begin, own_end, map_top, map_left, map_bottom, map_right,
            }
            TotalParams { sums, totals, parts }
            GeneralReduceParams {
                sums, pixel_sums, map_weights, weight_sums, out, per_group, weight_parts, divisor, map_weight, map_total,
                pixel_total, pixel_unit, base, scale, lambda,
            }
        };
        assert_eq!(here, kernels);
    }
}
