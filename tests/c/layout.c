// Prints size and offset of every struct member, and the value of every constant, as a C compiler sees them. Equal to
// layout.txt, which the bindings' tests compare their own declarations with.
#include <stddef.h>
#include <stdio.h>

#include "fused_ssim.h"

#define STRUCT(type) printf("struct %s size %zu\n", #type, sizeof(type))
#define MEMBER(type, member)                                                                                           \
    printf("member %s.%s offset %zu size %zu\n", #type, #member, offsetof(type, member), sizeof(((type*)0)->member))
#define CONSTANT(name) printf("constant %s %d\n", #name, (int)name)

int main(void) {
    STRUCT(fssim_layout);
    MEMBER(fssim_layout, dtype);
    MEMBER(fssim_layout, reserved);
    MEMBER(fssim_layout, scale);
    MEMBER(fssim_layout, stride_n);
    MEMBER(fssim_layout, stride_c);
    MEMBER(fssim_layout, stride_h);
    MEMBER(fssim_layout, stride_w);

    STRUCT(fssim_options);
    MEMBER(fssim_options, struct_size);
    MEMBER(fssim_options, device);
    MEMBER(fssim_options, padding);
    MEMBER(fssim_options, reduction);
    MEMBER(fssim_options, output);
    MEMBER(fssim_options, window);
    MEMBER(fssim_options, window_size);
    MEMBER(fssim_options, sigma);
    MEMBER(fssim_options, data_range);
    MEMBER(fssim_options, k1);
    MEMBER(fssim_options, k2);
    MEMBER(fssim_options, img1);
    MEMBER(fssim_options, img2);
    MEMBER(fssim_options, grad_img1);
    MEMBER(fssim_options, grad_img2);
    MEMBER(fssim_options, saved_for);
    MEMBER(fssim_options, mask_mode);
    MEMBER(fssim_options, mask);
    MEMBER(fssim_options, mask_layout);
    MEMBER(fssim_options, shard_rows_above);
    MEMBER(fssim_options, shard_rows_below);
    MEMBER(fssim_options, shard_height);
    MEMBER(fssim_options, shard_divisor);

    CONSTANT(FSSIM_DTYPE_F32);
    CONSTANT(FSSIM_DTYPE_F16);
    CONSTANT(FSSIM_DTYPE_BF16);
    CONSTANT(FSSIM_DTYPE_U8);
    CONSTANT(FSSIM_DTYPE_F64);
    CONSTANT(FSSIM_DEVICE_AUTO);
    CONSTANT(FSSIM_DEVICE_CPU);
    CONSTANT(FSSIM_DEVICE_CUDA);
    CONSTANT(FSSIM_PADDING_SAME);
    CONSTANT(FSSIM_PADDING_VALID);
    CONSTANT(FSSIM_REDUCTION_MEAN);
    CONSTANT(FSSIM_REDUCTION_PER_IMAGE);
    CONSTANT(FSSIM_REDUCTION_PER_CHANNEL);
    CONSTANT(FSSIM_REDUCTION_MAP);
    CONSTANT(FSSIM_WINDOW_GAUSSIAN);
    CONSTANT(FSSIM_WINDOW_UNIFORM);
    CONSTANT(FSSIM_OUTPUT_SSIM);
    CONSTANT(FSSIM_OUTPUT_ONE_MINUS_SSIM);
    CONSTANT(FSSIM_OUTPUT_DSSIM);
    CONSTANT(FSSIM_MASK_NONE);
    CONSTANT(FSSIM_MASK_WEIGHTED_MEAN);
    CONSTANT(FSSIM_MASK_MULTIPLY_INPUTS);
    CONSTANT(FSSIM_MASK_NORMALIZED);
    CONSTANT(FSSIM_PIXEL_L1);
    CONSTANT(FSSIM_PIXEL_L2);
    CONSTANT(FSSIM_SAVE_FOR_IMG1);
    CONSTANT(FSSIM_SAVE_FOR_IMG2);
    CONSTANT(FSSIM_OK);
    CONSTANT(FSSIM_ERROR_NULL_POINTER);
    CONSTANT(FSSIM_ERROR_STRUCT_SIZE);
    CONSTANT(FSSIM_ERROR_SHAPE);
    CONSTANT(FSSIM_ERROR_OPTION);
    CONSTANT(FSSIM_ERROR_LAYOUT);
    CONSTANT(FSSIM_ERROR_ALIGNMENT);
    CONSTANT(FSSIM_ERROR_OVERLAP);
    CONSTANT(FSSIM_ERROR_DEVICE);
    CONSTANT(FSSIM_ERROR_WORKSPACE);
    CONSTANT(FSSIM_ERROR_STREAM);
    CONSTANT(FSSIM_ERROR_UNSUPPORTED);
    CONSTANT(FSSIM_ERROR_NO_CUDA);
    CONSTANT(FSSIM_ERROR_CUDA);
    CONSTANT(FSSIM_ERROR_OUT_OF_MEMORY);
    CONSTANT(FSSIM_ERROR_INTERNAL);
    return 0;
}
