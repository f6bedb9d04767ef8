// Bad input: each mistake, in every operation that can see it, gives its documented status, a message that names the
// argument, and not one byte written.
#include "call.h"
#include "driver.h"

typedef struct {
    const char* name;
    void (*spoil)(call*);
    int operations;    // in which operations the mistake is one
    fssim_status status;
    const char* word;    // in the message
} mistake;

#define SPOIL(name, ...)                                                                                               \
    static void name(call* k) { __VA_ARGS__; }

#define O (k->options)

SPOIL(null_img1, k->img1 = NULL)
SPOIL(null_img2, k->img2 = NULL)
SPOIL(null_ssim, k->ssim = NULL)
SPOIL(null_loss, k->ssim = NULL)
SPOIL(null_gradients, k->grad_img1 = k->grad_img2 = NULL)

SPOIL(struct_size_zero, O->struct_size = 0)
SPOIL(struct_size_one_less, O->struct_size -= 1)
SPOIL(struct_size_one_more, O->struct_size += 1)
SPOIL(struct_size_huge, O->struct_size = SIZE_MAX)

SPOIL(n_zero, k->n = 0)
SPOIL(c_zero, k->c = 0)
SPOIL(h_zero, k->h = 0)
SPOIL(w_zero, k->w = 0)
SPOIL(n_negative, k->n = -1)
SPOIL(c_negative, k->c = -3)
SPOIL(h_negative, k->h = INT64_MIN)
SPOIL(w_negative, k->w = -20)
SPOIL(n_overflows, k->n = INT64_MAX)
SPOIL(c_overflows, k->c = INT64_MAX / 4)
SPOIL(h_overflows, k->h = INT64_MAX / (CALL_N * CALL_C * CALL_W) + 1)
SPOIL(w_overflows, k->w = INT64_MAX / (CALL_N * CALL_C * CALL_H) / 4)
SPOIL(all_overflow, k->n = k->c = k->h = k->w = (int64_t)1 << 32)
SPOIL(valid_below_window_h, O->padding = FSSIM_PADDING_VALID; k->h = 10)
SPOIL(valid_below_window_w, O->padding = FSSIM_PADDING_VALID; k->w = 10)

SPOIL(device_negative, O->device = -1)
SPOIL(device_unknown, O->device = 3)
SPOIL(padding_negative, O->padding = INT32_MIN)
SPOIL(padding_unknown, O->padding = 2)
SPOIL(reduction_negative, O->reduction = -1)
SPOIL(reduction_unknown, O->reduction = 4)
SPOIL(output_negative, O->output = -1)
SPOIL(output_unknown, O->output = 3)
SPOIL(window_negative, O->window = -1)
SPOIL(window_unknown, O->window = 2)
SPOIL(mask_mode_negative, O->mask_mode = -1)
SPOIL(mask_mode_unknown, O->mask_mode = 4)
SPOIL(mask_without_mode, O->mask = k->img1)
SPOIL(mode_without_mask, O->mask_mode = FSSIM_MASK_MULTIPLY_INPUTS)
SPOIL(window_size_zero, O->window_size = 0)
SPOIL(window_size_one, O->window_size = 1)
SPOIL(window_size_even, O->window_size = 10)
SPOIL(window_size_large, O->window_size = 35)
SPOIL(window_size_negative, O->window_size = -11)
SPOIL(saved_for_nothing, O->saved_for = 0)
SPOIL(saved_for_unknown, O->saved_for = 4)
SPOIL(saved_for_negative, O->saved_for = -1)
SPOIL(pixel_loss_negative, k->pixel_loss = -1)
SPOIL(pixel_loss_unknown, k->pixel_loss = 2)
SPOIL(lambda_negative, k->lambda = -0.1)
SPOIL(lambda_above_one, k->lambda = 1.5)
SPOIL(lambda_nan, k->lambda = NAN)
SPOIL(loss_of_a_map, O->reduction = FSSIM_REDUCTION_MAP)
SPOIL(loss_in_img1, k->ssim = (float*)(uintptr_t)k->img1)
SPOIL(loss_misaligned, k->ssim = (float*)(uintptr_t)((char*)k->ssim + 2))
SPOIL(saved_for_img2_only, O->saved_for = FSSIM_SAVE_FOR_IMG2)
SPOIL(saved_for_img1_only, O->saved_for = FSSIM_SAVE_FOR_IMG1)
SPOIL(sigma_zero, O->sigma = 0)
SPOIL(sigma_negative, O->sigma = -1.5)
SPOIL(sigma_nan, O->sigma = NAN)
SPOIL(sigma_infinite, O->sigma = INFINITY)
SPOIL(data_range_zero, O->data_range = 0)
SPOIL(data_range_negative, O->data_range = -255)
SPOIL(data_range_nan, O->data_range = NAN)
SPOIL(data_range_infinite, O->data_range = INFINITY)
SPOIL(data_range_beyond_f32, O->data_range = 1e300)
SPOIL(k1_zero, O->k1 = 0)
SPOIL(k1_negative, O->k1 = -0.01)
SPOIL(k1_nan, O->k1 = NAN)
SPOIL(k1_infinite, O->k1 = -INFINITY)
SPOIL(k1_beyond_f32, O->k1 = 1e-30)
SPOIL(k2_zero, O->k2 = 0)
SPOIL(k2_negative, O->k2 = -0.03)
SPOIL(k2_nan, O->k2 = NAN)
SPOIL(k2_infinite, O->k2 = INFINITY)
SPOIL(k2_beyond_f32, O->k2 = 1e30)
SPOIL(shard_above_negative, O->shard_rows_above = -1)
SPOIL(shard_below_negative, O->shard_rows_below = -1)
SPOIL(shard_height_negative, O->shard_height = -1)
SPOIL(shard_divisor_negative, O->shard_divisor = -1)
SPOIL(shard_divisor_nan, O->shard_divisor = NAN)

SPOIL(img1_dtype_unknown, O->img1.dtype = 5)
SPOIL(img2_dtype_negative, O->img2.dtype = -1)
SPOIL(grad_img1_dtype_unknown, O->grad_img1.dtype = 99)
SPOIL(grad_img2_dtype_unknown, O->grad_img2.dtype = 5)
SPOIL(reserved_used, O->img2.reserved = 1)
SPOIL(scale_nan, O->img1.scale = NAN)
SPOIL(scale_infinite, O->img2.scale = INFINITY)

static void set_strides(fssim_layout* layout, int64_t n, int64_t c, int64_t h, int64_t w) {
    layout->stride_n = n;
    layout->stride_c = c;
    layout->stride_h = h;
    layout->stride_w = w;
}

SPOIL(img1_stride_n_negative, set_strides(&O->img1, -960, 320, 20, 1))
SPOIL(img1_stride_c_negative, set_strides(&O->img1, 960, -320, 20, 1))
SPOIL(img2_stride_h_negative, set_strides(&O->img2, 960, 320, -20, 1))
SPOIL(img2_stride_w_negative, set_strides(&O->img2, 960, 320, 20, -1))
SPOIL(grad_img1_stride_negative, set_strides(&O->grad_img1, 960, 320, 20, -1))
SPOIL(grad_img2_stride_negative, set_strides(&O->grad_img2, INT64_MIN, 320, 20, 1))
SPOIL(strides_overflow, set_strides(&O->img1, INT64_MAX, 320, 20, 1))
SPOIL(grad_img1_broadcast, set_strides(&O->grad_img1, 0, 320, 20, 1))
SPOIL(grad_img2_broadcast, set_strides(&O->grad_img2, 960, 320, 20, 0))
SPOIL(grad_img1_rows_overlap, set_strides(&O->grad_img1, 960, 320, 19, 1))
SPOIL(grad_img2_same_strides, set_strides(&O->grad_img2, 960, 320, 1, 1))

SPOIL(img1_f64_alone, O->img1.dtype = FSSIM_DTYPE_F64)
SPOIL(img2_f64_alone, O->img2.dtype = FSSIM_DTYPE_F64)
SPOIL(img1_dtype_unknown_beside_f64, O->img1.dtype = 5; O->img2.dtype = FSSIM_DTYPE_F64)
SPOIL(upstream_map_of_a_shard, O->reduction = FSSIM_REDUCTION_MAP; O->shard_height = 16)
SPOIL(grad_img1_u8, O->grad_img1.dtype = FSSIM_DTYPE_U8)
SPOIL(grad_img2_f64_alone, O->grad_img2.dtype = FSSIM_DTYPE_F64)
SPOIL(images_f64_gradient_f32, O->img1.dtype = O->img2.dtype = O->grad_img2.dtype = FSSIM_DTYPE_F64)
SPOIL(scale_below_f32, O->img1.scale = 1e-300)
SPOIL(scale_beyond_f32, O->img2.scale = 1e300)

static void with_mask(call* k, int32_t mode) {
    O->mask = k->img1;
    O->mask_mode = mode;
}

SPOIL(mask_f16, with_mask(k, FSSIM_MASK_WEIGHTED_MEAN); O->mask_layout.dtype = FSSIM_DTYPE_F16)
SPOIL(mask_scaled, with_mask(k, FSSIM_MASK_NORMALIZED); O->mask_layout.scale = 2)
SPOIL(mask_dtype_unknown, with_mask(k, FSSIM_MASK_MULTIPLY_INPUTS); O->mask_layout.dtype = 9)
SPOIL(mask_stride_negative, with_mask(k, FSSIM_MASK_MULTIPLY_INPUTS); O->mask_layout.stride_w = -1)
SPOIL(mask_misaligned, with_mask(k, FSSIM_MASK_WEIGHTED_MEAN); O->mask = (const char*)k->img1 + 2)
SPOIL(ssim_in_mask, with_mask(k, FSSIM_MASK_WEIGHTED_MEAN); O->mask = k->ssim)
SPOIL(grad_img1_in_mask, with_mask(k, FSSIM_MASK_NORMALIZED); O->mask = k->grad_img1)

SPOIL(shard_rows_above_alone, O->shard_rows_above = 5)
SPOIL(shard_rows_below_alone, O->shard_rows_below = 5)
SPOIL(shard_divisor_alone, O->shard_divisor = 2)
SPOIL(shard_height_too_small, O->shard_height = 15)
SPOIL(shard_owns_nothing, O->shard_height = 100; O->shard_rows_above = 10; O->shard_rows_below = 6)
SPOIL(shard_rows_overflow, O->shard_height = 100; O->shard_rows_above = O->shard_rows_below = INT64_MAX)
SPOIL(shard_without_surroundings, O->shard_height = 100; O->shard_rows_above = 9)
SPOIL(shard_of_a_mask_without_divisor, with_mask(k, FSSIM_MASK_WEIGHTED_MEAN); O->shard_height = 16)
SPOIL(shard_of_a_mask_per_image, with_mask(k, FSSIM_MASK_NORMALIZED); O->shard_height = 16; O->shard_divisor = 3;
      O->reduction = FSSIM_REDUCTION_PER_IMAGE)
SPOIL(valid_below_larger_window, O->padding = FSSIM_PADDING_VALID; O->window_size = 17)
SPOIL(uniform_window_size_even, O->window = FSSIM_WINDOW_UNIFORM; O->window_size = 4)

static void* shifted(const void* pointer, int bytes) { return (char*)pointer + bytes; }

SPOIL(options_misaligned, k->options = (fssim_options*)shifted(k->workspace, 1))
SPOIL(img1_misaligned, k->img1 = shifted(k->img1, 2))
SPOIL(img2_misaligned, k->img2 = shifted(k->img2, 1))
SPOIL(ssim_misaligned, k->ssim = (float*)shifted(k->ssim, 3))
SPOIL(saved_misaligned, k->saved = shifted(k->saved, 4))
SPOIL(grad_ssim_misaligned, k->grad_ssim = (float*)shifted(k->grad_ssim, 2))
SPOIL(grad_img1_misaligned, k->grad_img1 = shifted(k->grad_img1, 2))
SPOIL(grad_img2_misaligned, k->grad_img2 = shifted(k->grad_img2, 1))

SPOIL(ssim_in_img1, k->ssim = (float*)shifted(k->img1, CALL_PIXELS * 4 - 4))
SPOIL(ssim_in_img2, k->ssim = (float*)shifted(k->img2, 0))
SPOIL(ssim_in_saved, k->ssim = (float*)shifted(k->saved, 64))
SPOIL(saved_in_img1, k->saved = (void*)k->img1)
SPOIL(grad_img1_is_img1, k->grad_img1 = (void*)k->img1)
SPOIL(grad_img2_is_img1, k->grad_img2 = (void*)k->img1)
SPOIL(grad_img1_runs_into_grad_img2, k->grad_img1 = shifted(k->grad_img1, 4))
SPOIL(grad_img1_in_saved, k->grad_img1 = shifted(k->saved, 32))
SPOIL(grad_img2_in_grad_ssim, k->grad_img2 = shifted(k->grad_ssim, -4 * (CALL_PIXELS - 1)))
SPOIL(ssim_in_grad_img2, k->ssim = (float*)shifted(k->grad_img2, 4))

SPOIL(host_pointers_on_cuda, O->device = FSSIM_DEVICE_CUDA)
SPOIL(stream_with_host_pointers, k->stream = k->workspace)

// Expected when the driver may or may not be there; resolved at run time.
enum { NO_CUDA_OR_DEVICE = -1 };

static const mistake mistakes[] = {
#define M(name, operations, status, word) {#name, name, operations, FSSIM_ERROR_##status, word}
    M(null_img1, ALL, NULL_POINTER, "img1"),
    M(null_img2, ALL, NULL_POINTER, "img2"),
    M(null_ssim, HAS_SSIM, NULL_POINTER, "ssim"),
    M(null_loss, HAS_LOSS, NULL_POINTER, "loss"),
    M(null_gradients, NEEDS_GRADIENTS, NULL_POINTER, "grad_img1"),
    M(struct_size_zero, ALL, STRUCT_SIZE, "struct_size is 0"),
    M(struct_size_one_less, ALL, STRUCT_SIZE, "struct_size"),
    M(struct_size_one_more, ALL, STRUCT_SIZE, "struct_size"),
    M(struct_size_huge, ALL, STRUCT_SIZE, "struct_size"),
    M(n_zero, ALL, SHAPE, "n is 0"),
    M(c_zero, ALL, SHAPE, "c is 0"),
    M(h_zero, ALL, SHAPE, "h is 0"),
    M(w_zero, ALL, SHAPE, "w is 0"),
    M(n_negative, ALL, SHAPE, "n is -1"),
    M(c_negative, ALL, SHAPE, "c is -3"),
    M(h_negative, ALL, SHAPE, "h is -9223372036854775808"),
    M(w_negative, ALL, SHAPE, "w is -20"),
    M(n_overflows, ALL, SHAPE, "n*c*h*w"),
    M(c_overflows, ALL, SHAPE, "n*c*h*w"),
    M(h_overflows, ALL, SHAPE, "n*c*h*w"),
    M(w_overflows, ALL, SHAPE, "n*c*h*w"),
    M(all_overflow, ALL, SHAPE, "n*c*h*w"),
    M(valid_below_window_h, ALL, SHAPE, "10, 20"),
    M(valid_below_window_w, ALL, SHAPE, "16, 10"),
    M(device_negative, ALL, OPTION, "device is -1"),
    M(device_unknown, ALL, OPTION, "device is 3"),
    M(padding_negative, ALL, OPTION, "padding is -2147483648"),
    M(padding_unknown, ALL, OPTION, "padding is 2"),
    M(reduction_negative, ALL, OPTION, "reduction is -1"),
    M(reduction_unknown, ALL, OPTION, "reduction is 4"),
    M(output_negative, ALL, OPTION, "output is -1"),
    M(output_unknown, ALL, OPTION, "output is 3"),
    M(window_negative, ALL, OPTION, "window is -1"),
    M(window_unknown, ALL, OPTION, "window is 2"),
    M(mask_mode_negative, ALL, OPTION, "mask_mode is -1"),
    M(mask_mode_unknown, ALL, OPTION, "mask_mode is 4"),
    M(mask_without_mode, ALL, OPTION, "mask"),
    M(mode_without_mask, ALL, OPTION, "mask"),
    M(window_size_zero, ALL, OPTION, "window_size is 0"),
    M(window_size_one, ALL, OPTION, "window_size is 1"),
    M(window_size_even, ALL, OPTION, "window_size is 10"),
    M(window_size_large, ALL, OPTION, "window_size is 35"),
    M(window_size_negative, ALL, OPTION, "window_size is -11"),
    M(saved_for_nothing, ALL, OPTION, "saved_for is 0"),
    M(saved_for_unknown, ALL, OPTION, "saved_for is 4"),
    M(saved_for_negative, ALL, OPTION, "saved_for is -1"),
    M(pixel_loss_negative, HAS_LOSS, OPTION, "pixel_loss is -1"),
    M(pixel_loss_unknown, HAS_LOSS, OPTION, "pixel_loss is 2"),
    M(lambda_negative, HAS_LOSS, OPTION, "lambda is -0.1"),
    M(lambda_above_one, HAS_LOSS, OPTION, "lambda is 1.5"),
    M(lambda_nan, HAS_LOSS, OPTION, "lambda is NaN"),
    M(loss_of_a_map, HAS_LOSS, OPTION, "FSSIM_REDUCTION_MAP"),
    M(loss_in_img1, HAS_LOSS, OVERLAP, "img1"),
    M(loss_misaligned, HAS_LOSS, ALIGNMENT, "loss"),
    M(saved_for_img2_only, HAS_SAVED_INPUT, OPTION, "saved_for does not include grad_img1"),
    M(saved_for_img1_only, HAS_SAVED_INPUT, OPTION, "saved_for does not include grad_img2"),
    M(sigma_zero, ALL, OPTION, "sigma is 0"),
    M(sigma_negative, ALL, OPTION, "sigma is -1.5"),
    M(sigma_nan, ALL, OPTION, "sigma is NaN"),
    M(sigma_infinite, ALL, OPTION, "sigma is inf"),
    M(data_range_zero, ALL, OPTION, "data_range is 0"),
    M(data_range_negative, ALL, OPTION, "data_range is -255"),
    M(data_range_nan, ALL, OPTION, "data_range is NaN"),
    M(data_range_infinite, ALL, OPTION, "data_range is inf"),
    M(data_range_beyond_f32, ALL, OPTION, "data_range"),
    M(k1_zero, ALL, OPTION, "k1 is 0"),
    M(k1_negative, ALL, OPTION, "k1 is -0.01"),
    M(k1_nan, ALL, OPTION, "k1 is NaN"),
    M(k1_infinite, ALL, OPTION, "k1 is -inf"),
    M(k1_beyond_f32, ALL, OPTION, "k1"),
    M(k2_zero, ALL, OPTION, "k2 is 0"),
    M(k2_negative, ALL, OPTION, "k2 is -0.03"),
    M(k2_nan, ALL, OPTION, "k2 is NaN"),
    M(k2_infinite, ALL, OPTION, "k2 is inf"),
    M(k2_beyond_f32, ALL, OPTION, "k2"),
    M(shard_above_negative, ALL, OPTION, "shard_rows_above is -1"),
    M(shard_below_negative, ALL, OPTION, "shard_rows_below is -1"),
    M(shard_height_negative, ALL, OPTION, "shard_height is -1"),
    M(shard_divisor_negative, ALL, OPTION, "shard_divisor is -1"),
    M(shard_divisor_nan, ALL, OPTION, "shard_divisor is NaN"),
    M(img1_dtype_unknown, ALL, LAYOUT, "img1: dtype is 5"),
    M(img2_dtype_negative, ALL, LAYOUT, "img2: dtype is -1"),
    M(grad_img1_dtype_unknown, ALL, LAYOUT, "grad_img1: dtype is 99"),
    M(grad_img2_dtype_unknown, ALL, LAYOUT, "grad_img2: dtype is 5"),
    M(reserved_used, ALL, LAYOUT, "img2: reserved is 1"),
    M(scale_nan, ALL, LAYOUT, "img1: scale is NaN"),
    M(scale_infinite, ALL, LAYOUT, "img2: scale is inf"),
    M(img1_stride_n_negative, ALL, LAYOUT, "img1: stride_n is -960"),
    M(img1_stride_c_negative, ALL, LAYOUT, "img1: stride_c is -320"),
    M(img2_stride_h_negative, ALL, LAYOUT, "img2: stride_h is -20"),
    M(img2_stride_w_negative, ALL, LAYOUT, "img2: stride_w is -1"),
    M(grad_img1_stride_negative, ALL, LAYOUT, "grad_img1: stride_w is -1"),
    M(grad_img2_stride_negative, ALL, LAYOUT, "grad_img2: stride_n"),
    M(strides_overflow, ALL, LAYOUT, "img1"),
    M(grad_img1_broadcast, ALL, LAYOUT, "grad_img1"),
    M(grad_img2_broadcast, ALL, LAYOUT, "grad_img2"),
    M(grad_img1_rows_overlap, ALL, LAYOUT, "grad_img1"),
    M(grad_img2_same_strides, ALL, LAYOUT, "grad_img2"),
    M(img1_f64_alone, ALL, LAYOUT, "img1: dtype is F64 and img2: dtype is F32"),
    M(img2_f64_alone, ALL, LAYOUT, "img1: dtype is F32 and img2: dtype is F64"),
    M(img1_dtype_unknown_beside_f64, ALL, LAYOUT, "img1: dtype is 5"),
    M(upstream_map_of_a_shard, HAS_SAVED_INPUT, UNSUPPORTED, "upstream gradient for the map of a shard"),
    M(grad_img1_u8, ALL, LAYOUT, "grad_img1: dtype is U8"),
    M(grad_img2_f64_alone, HAS_GRADIENTS, LAYOUT, "grad_img2: dtype is F64"),
    M(images_f64_gradient_f32, HAS_GRADIENTS, LAYOUT, "grad_img1: dtype is F32"),
    M(scale_below_f32, ALL, LAYOUT, "img1: scale is"),
    M(scale_beyond_f32, ALL, LAYOUT, "img2: scale is"),
    M(mask_f16, ALL, UNSUPPORTED, "mask_layout: dtype 1"),
    M(mask_scaled, ALL, UNSUPPORTED, "mask_layout: scale 2"),
    M(mask_dtype_unknown, ALL, LAYOUT, "mask_layout: dtype is 9"),
    M(mask_stride_negative, ALL, LAYOUT, "mask_layout: stride_w is -1"),
    M(mask_misaligned, ALL, ALIGNMENT, "mask"),
    M(ssim_in_mask, HAS_SSIM, OVERLAP, "mask"),
    M(grad_img1_in_mask, HAS_GRADIENTS, OVERLAP, "mask"),
    M(shard_rows_above_alone, ALL, OPTION, "shard_height is 0"),
    M(shard_rows_below_alone, ALL, OPTION, "shard_height is 0"),
    M(shard_divisor_alone, ALL, OPTION, "shard_height is 0"),
    M(shard_height_too_small, ALL, OPTION, "shard_height is 15"),
    M(shard_owns_nothing, ALL, SHAPE, "shard_rows_above"),
    M(shard_rows_overflow, ALL, SHAPE, "shard_rows_above"),
    M(shard_without_surroundings, ALL, OPTION, "10 rows"),
    M(shard_of_a_mask_without_divisor, ALL, OPTION, "shard_divisor is 0"),
    M(shard_of_a_mask_per_image, ALL, UNSUPPORTED, "row sharding"),
    M(valid_below_larger_window, ALL, SHAPE, "window size, 17"),
    M(uniform_window_size_even, ALL, OPTION, "window_size is 4"),
    M(options_misaligned, ALL, ALIGNMENT, "options"),
    M(img1_misaligned, ALL, ALIGNMENT, "img1"),
    M(img2_misaligned, ALL, ALIGNMENT, "img2"),
    M(ssim_misaligned, HAS_SSIM, ALIGNMENT, "ssim"),
    M(saved_misaligned, HAS_SAVED_OUTPUT | HAS_SAVED_INPUT, ALIGNMENT, "saved"),
    M(grad_ssim_misaligned, HAS_SAVED_INPUT, ALIGNMENT, "grad_ssim"),
    M(grad_img1_misaligned, HAS_GRADIENTS, ALIGNMENT, "grad_img1"),
    M(grad_img2_misaligned, HAS_GRADIENTS, ALIGNMENT, "grad_img2"),
    M(ssim_in_img1, HAS_SSIM, OVERLAP, "img1"),
    M(ssim_in_img2, HAS_SSIM, OVERLAP, "img2"),
    M(ssim_in_saved, HAS_SAVED_OUTPUT, OVERLAP, "saved"),
    M(saved_in_img1, HAS_SAVED_OUTPUT, OVERLAP, "saved"),
    M(grad_img1_is_img1, HAS_GRADIENTS, OVERLAP, "grad_img1"),
    M(grad_img2_is_img1, HAS_GRADIENTS, OVERLAP, "grad_img2"),
    M(grad_img1_runs_into_grad_img2, HAS_GRADIENTS, OVERLAP, "grad_img2"),
    M(grad_img1_in_saved, HAS_SAVED_INPUT, OVERLAP, "saved"),
    M(grad_img2_in_grad_ssim, HAS_SAVED_INPUT, OVERLAP, "grad_ssim"),
    M(ssim_in_grad_img2, HAS_SSIM& HAS_GRADIENTS, OVERLAP, "grad_img2"),
    M(stream_with_host_pointers, HAS_STREAM, STREAM, "stream"),
#undef M
    {"host_pointers_on_cuda", host_pointers_on_cuda, ALL, NO_CUDA_OR_DEVICE, ""},
};

int main(void) {
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const mistake* m = &mistakes[i];
        fssim_status expected = m->status;
        if (expected == NO_CUDA_OR_DEVICE) expected = driver_present() ? FSSIM_ERROR_DEVICE : FSSIM_ERROR_NO_CUDA;
        for (int op = 0; op < OPERATIONS; op++) {
            if ((m->operations & 1 << op) == 0) continue;
            fixture f;
            fixture_open(&f);
            m->spoil(&f.call);
            fssim_status status = call_run(&f.call, (operation)op);
            int before = check_failures_of_test;
            CHECK(status == expected);
            CHECK_MENTIONS(fssim_last_error(), m->word);
            CHECK(strlen(fssim_last_error()) > 10);
            CHECK(fixture_untouched(&f));
            if (check_failures_of_test != before)
                printf("  in %s: status %d, \"%s\"\n", operation_name((operation)op), (int)status, fssim_last_error());
            fixture_close(&f);
        }
        check_report(m->name);
    }
    return finish();
}
