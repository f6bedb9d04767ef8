//! The kernels' entry points and what a launch of each takes.

use std::ffi::CStr;

use crate::geometry::*;

macro_rules! kernels {
    ($($kernel:ident: $name:literal, $threads:ident, $shared_bytes:expr, $of_any_type:ident;)*) => {
        /// An entry point of the kernels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kernel { $($kernel,)* }

        impl Kernel {
            pub(crate) const ALL: &'static [Kernel] = &[$(Kernel::$kernel,)*];

            pub(crate) fn name(self) -> &'static CStr {
                match self { $(Kernel::$kernel => $name,)* }
            }

            /// Threads of a block.
            pub(super) fn threads(self) -> u32 {
                match self { $(Kernel::$kernel => $threads as u32,)* }
            }

            /// Bytes of dynamic shared memory of a block; not of the general kernels, where they depend on the window.
            pub(super) fn shared_bytes(self) -> u32 {
                match self { $(Kernel::$kernel => $shared_bytes as u32,)* }
            }

            /// The entry point that does the same for elements of every type.
            fn of_any_type(self) -> Kernel {
                match self { $(Kernel::$kernel => Kernel::$of_any_type,)* }
            }
        }
    };
}

// Kernel: its name in the PTX, threads, shared bytes, the kernel that does the same for every element type.
kernels! {
    Value: c"fssim_value", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;
    Forward: c"fssim_forward", STRIP_THREADS, VALUE_SHARED_BYTES, ForwardOfAnyType;
    Backward: c"fssim_backward", STRIP_THREADS, BACKWARD_SHARED_BYTES, BackwardOfAnyType;
    ValueAndGrad: c"fssim_value_and_grad", STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;
    Loss: c"fssim_loss", STRIP_THREADS, VALUE_SHARED_BYTES, LossOfAnyType;
    LossAndGrad: c"fssim_loss_and_grad", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;

    ValueOfAnyType: c"fssim_value_of_any_type", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;
    ForwardOfAnyType: c"fssim_forward_of_any_type", STRIP_THREADS, VALUE_SHARED_BYTES, ForwardOfAnyType;
    BackwardOfAnyType: c"fssim_backward_of_any_type", STRIP_THREADS, BACKWARD_SHARED_BYTES, BackwardOfAnyType;
    ValueAndGradOfAnyType: c"fssim_value_and_grad_of_any_type",
        STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;
    LossOfAnyType: c"fssim_loss_of_any_type", STRIP_THREADS, VALUE_SHARED_BYTES, LossOfAnyType;
    LossAndGradOfAnyType: c"fssim_loss_and_grad_of_any_type", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;

    ValueAndBothGrads: c"fssim_value_and_both_grads",
        STRIP_THREADS, BOTH_FUSED_SHARED_BYTES, ValueAndBothGradsOfAnyType;
    ValueAndBothGradsOfAnyType: c"fssim_value_and_both_grads_of_any_type",
        STRIP_THREADS, BOTH_FUSED_SHARED_BYTES, ValueAndBothGradsOfAnyType;
    BackwardBoth: c"fssim_backward_both", STRIP_THREADS, BOTH_BACKWARD_SHARED_BYTES, BackwardBoth;

    ValueOfF16: c"fssim_value_of_f16", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;
    ValueOfBf16: c"fssim_value_of_bf16", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;
    ValueOfU8: c"fssim_value_of_u8", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;
    ValueOfF32AndU8: c"fssim_value_of_f32_and_u8", STRIP_THREADS, VALUE_SHARED_BYTES, ValueOfAnyType;

    ValueAndGradOfF16: c"fssim_value_and_grad_of_f16", STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;
    ValueAndGradOfBf16: c"fssim_value_and_grad_of_bf16", STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;
    ValueAndGradOfU8: c"fssim_value_and_grad_of_u8", STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;
    ValueAndGradOfF32AndU8: c"fssim_value_and_grad_of_f32_and_u8",
        STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradOfAnyType;

    LossAndGradOfF16: c"fssim_loss_and_grad_of_f16", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;
    LossAndGradOfBf16: c"fssim_loss_and_grad_of_bf16", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;
    LossAndGradOfU8: c"fssim_loss_and_grad_of_u8", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;
    LossAndGradOfF32AndU8: c"fssim_loss_and_grad_of_f32_and_u8",
        STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradOfAnyType;

    TileValue: c"fssim_tile_value", TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileValueOfAnyType;
    TileValueAndGrad: c"fssim_tile_value_and_grad",
        TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileValueAndGradOfAnyType;
    TileLoss: c"fssim_tile_loss", TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileLossOfAnyType;
    TileLossAndGrad: c"fssim_tile_loss_and_grad", TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileLossAndGradOfAnyType;

    TileValueOfAnyType: c"fssim_tile_value_of_any_type",
        TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileValueOfAnyType;
    TileValueAndGradOfAnyType: c"fssim_tile_value_and_grad_of_any_type",
        TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileValueAndGradOfAnyType;
    TileLossOfAnyType: c"fssim_tile_loss_of_any_type",
        TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileLossOfAnyType;
    TileLossAndGradOfAnyType: c"fssim_tile_loss_and_grad_of_any_type",
        TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileLossAndGradOfAnyType;

    ValueMasked: c"fssim_value_masked", STRIP_THREADS, VALUE_SHARED_BYTES, ValueMaskedOfAnyType;
    ValueAndGradMasked: c"fssim_value_and_grad_masked", STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradMaskedOfAnyType;
    LossMasked: c"fssim_loss_masked", STRIP_THREADS, VALUE_SHARED_BYTES, LossMasked;
    LossAndGradMasked: c"fssim_loss_and_grad_masked", STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradMaskedOfAnyType;
    ValueMaskedOfAnyType: c"fssim_value_masked_of_any_type", STRIP_THREADS, VALUE_SHARED_BYTES, ValueMaskedOfAnyType;
    ValueAndGradMaskedOfAnyType: c"fssim_value_and_grad_masked_of_any_type",
        STRIP_THREADS, FUSED_SHARED_BYTES, ValueAndGradMaskedOfAnyType;
    LossAndGradMaskedOfAnyType: c"fssim_loss_and_grad_masked_of_any_type",
        STRIP_THREADS, FUSED_SHARED_BYTES, LossAndGradMaskedOfAnyType;
    TileValueMasked: c"fssim_tile_value_masked", TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileValueMasked;
    TileValueAndGradMasked: c"fssim_tile_value_and_grad_masked",
        TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileValueAndGradMasked;
    TileLossMasked: c"fssim_tile_loss_masked", TILE_VALUE_THREADS, TILE_VALUE_SHARED_BYTES, TileLossMasked;
    TileLossAndGradMasked: c"fssim_tile_loss_and_grad_masked",
        TILE_FUSED_THREADS, TILE_FUSED_SHARED_BYTES, TileLossAndGradMasked;

    Reduce: c"fssim_reduce", REDUCE_THREADS, 0, Reduce;

    GeneralMap: c"fssim_general_map", GENERAL_THREADS, 0, GeneralMap;
    GeneralMapNormalized: c"fssim_general_map_normalized", GENERAL_THREADS, 0, GeneralMapNormalized;
    GeneralGradient: c"fssim_general_gradient", GENERAL_THREADS, 0, GeneralGradient;
    GeneralWeights: c"fssim_general_weights", WEIGHT_THREADS, 0, GeneralWeights;
    GeneralTotals: c"fssim_general_totals", REDUCE_THREADS, 0, GeneralTotals;
    GeneralReduce: c"fssim_general_reduce", REDUCE_THREADS, 0, GeneralReduce;
}

impl Kernel {
    /// Its place in ALL.
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// The entry point of strips and tiles that does the same with weights.
    pub(super) fn masked(self) -> Kernel {
        match self {
            Kernel::Value => Kernel::ValueMasked,
            Kernel::ValueAndGrad => Kernel::ValueAndGradMasked,
            Kernel::Loss => Kernel::LossMasked,
            Kernel::LossAndGrad => Kernel::LossAndGradMasked,
            Kernel::TileValue => Kernel::TileValueMasked,
            Kernel::TileValueAndGrad => Kernel::TileValueAndGradMasked,
            Kernel::TileLoss => Kernel::TileLossMasked,
            Kernel::TileLossAndGrad => Kernel::TileLossAndGradMasked,
            kernel => unreachable!("{kernel:?} takes no mask"),
        }
    }

    /// The entry point that does the same for a pair of element types (PIXELS_*), or for every type if it is none: code for
    /// other types would be in the way of a pair's in the instruction cache.
    pub(super) fn of_pair(self, pair: i32) -> Kernel {
        match (self, pair) {
            (kernel, PIXELS_F32) => kernel,
            (Kernel::Value, PIXELS_F16) => Kernel::ValueOfF16,
            (Kernel::Value, PIXELS_BF16) => Kernel::ValueOfBf16,
            (Kernel::Value, PIXELS_U8) => Kernel::ValueOfU8,
            (Kernel::Value, PIXELS_F32_U8) => Kernel::ValueOfF32AndU8,
            (Kernel::ValueAndGrad, PIXELS_F16) => Kernel::ValueAndGradOfF16,
            (Kernel::ValueAndGrad, PIXELS_BF16) => Kernel::ValueAndGradOfBf16,
            (Kernel::ValueAndGrad, PIXELS_U8) => Kernel::ValueAndGradOfU8,
            (Kernel::ValueAndGrad, PIXELS_F32_U8) => Kernel::ValueAndGradOfF32AndU8,
            (Kernel::LossAndGrad, PIXELS_F16) => Kernel::LossAndGradOfF16,
            (Kernel::LossAndGrad, PIXELS_BF16) => Kernel::LossAndGradOfBf16,
            (Kernel::LossAndGrad, PIXELS_U8) => Kernel::LossAndGradOfU8,
            (Kernel::LossAndGrad, PIXELS_F32_U8) => Kernel::LossAndGradOfF32AndU8,
            (kernel, _) => kernel.of_any_type(),
        }
    }
}
