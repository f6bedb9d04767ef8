// The operations on host memory: known answers, then a plain reference in double.
#include <stdbool.h>

#include "check.h"
#include "reference.h"

enum { N = 2, C = 3, H = 17, W = 23, PIXELS = N * C * H * W };

static const double value_tolerance = 1e-6, gradient_tolerance = 2e-6;

static float x[PIXELS], y[PIXELS];

static fssim_options defaults(void) {
    fssim_options options;
    CHECK_OK(fssim_options_init(&options, sizeof options));
    return options;
}

static void versions_agree(void) {
    CHECK(fssim_version() == FSSIM_VERSION);
    CHECK(FSSIM_VERSION == FSSIM_VERSION_MAJOR * 10000 + FSSIM_VERSION_MINOR * 100 + FSSIM_VERSION_PATCH);
}

static void options_hold_the_documented_defaults(void) {
    fssim_options o;
    memset(&o, 0xa5, sizeof o);
    CHECK_OK(fssim_options_init(&o, sizeof o));
    CHECK(o.struct_size == sizeof o);
    CHECK(o.device == FSSIM_DEVICE_AUTO && o.padding == FSSIM_PADDING_SAME && o.reduction == FSSIM_REDUCTION_MEAN);
    CHECK(o.output == FSSIM_OUTPUT_SSIM && o.window == FSSIM_WINDOW_GAUSSIAN && o.window_size == 11);
    CHECK(o.sigma == 1.5 && o.data_range == 1.0 && o.k1 == 0.01 && o.k2 == 0.03);
    CHECK(o.saved_for == FSSIM_SAVE_FOR_IMG1 && o.mask_mode == FSSIM_MASK_NONE && o.mask == NULL);
    CHECK(o.shard_rows_above == 0 && o.shard_rows_below == 0 && o.shard_height == 0 && o.shard_divisor == 0.0);
    const fssim_layout* layouts[] = {&o.img1, &o.img2, &o.grad_img1, &o.grad_img2, &o.mask_layout};
    for (int i = 0; i < 5; i++) {
        const fssim_layout* l = layouts[i];
        CHECK(l->dtype == FSSIM_DTYPE_F32 && l->reserved == 0 && l->scale == 0.0);
        CHECK(l->stride_n == 0 && l->stride_c == 0 && l->stride_h == 0 && l->stride_w == 0);
    }
}

static void identical_images_have_ssim_one_and_no_gradient(void) {
    for (int padding = FSSIM_PADDING_SAME; padding <= FSSIM_PADDING_VALID; padding++) {
        fssim_options o = defaults();
        o.padding = padding;
        float ssim = -1;
        static float same[PIXELS], gradient[PIXELS];
        memcpy(same, x, sizeof x);
        CHECK_OK(fssim_value_and_grad(x, same, N, C, H, W, &o, &ssim, gradient, NULL));
        CHECK_NEAR(ssim, 1.0, value_tolerance);
        // Each term of the gradient is of the order of 1/PIXELS; what is left of their sum is rounding.
        for (int i = 0; i < PIXELS; i++) CHECK_NEAR(gradient[i] * PIXELS, 0.0, 1e-3);
    }
}

static void one_pixel_by_hand(void) {
    // Only the centre tap t meets the pixel: with g = t*t the moments are mu = g a, E[x^2] = g a^2 and so on.
    double taps[REFERENCE_TAPS];
    reference_taps(1.5, taps);
    double g = taps[5] * taps[5], a = 0.8, b = 0.3, c1 = 1e-4, c2 = 9e-4;
    double expected = (2 * g * a * g * b + c1) * (2 * (g * a * b - g * a * g * b) + c2) /
                      ((g * a * g * a + g * b * g * b + c1) * (g * (a * a + b * b) - g * g * (a * a + b * b) + c2));
    float img1 = 0.8f, img2 = 0.3f, ssim = -1;
    CHECK_OK(fssim_forward(&img1, &img2, 1, 1, 1, 1, NULL, &ssim, NULL));
    CHECK_NEAR(ssim, expected, value_tolerance);
}

static void constant_images_by_hand(void) {
    // Without the border both variances vanish, and only the luminance term is left.
    enum { SIDE = 15 };
    float a[SIDE * SIDE], b[SIDE * SIDE], ssim = -1;
    for (int i = 0; i < SIDE * SIDE; i++) {
        a[i] = 0.25f;
        b[i] = 0.75f;
    }
    fssim_options o = defaults();
    o.padding = FSSIM_PADDING_VALID;
    CHECK_OK(fssim_forward(a, b, 1, 1, SIDE, SIDE, &o, &ssim, NULL));
    CHECK_NEAR(ssim, (2 * 0.25 * 0.75 + 1e-4) / (0.25 * 0.25 + 0.75 * 0.75 + 1e-4), value_tolerance);
}

static void ssim_is_symmetric(void) {
    float there = -1, back = -2;
    CHECK_OK(fssim_forward(x, y, N, C, H, W, NULL, &there, NULL));
    CHECK_OK(fssim_forward(y, x, N, C, H, W, NULL, &back, NULL));
    CHECK_NEAR(there, back, value_tolerance);
    CHECK(there > 0.1f && there < 0.99f);
}

// Every way to the value and to the gradients, for one padding and reduction.
static void check_all_operations(const fssim_options* given, bool with_upstream) {
    fssim_options o = *given;
    o.saved_for = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2;
    reference_problem p = reference_defaults(N, C, H, W);
    p.padding = o.padding;
    p.sigma = o.sigma;
    p.data_range = o.data_range;
    p.k1 = o.k1;
    p.k2 = o.k2;
    static double map[PIXELS], expected[PIXELS], expected_grad1[PIXELS], expected_grad2[PIXELS];
    static float ssim[PIXELS], upstream[PIXELS], grad1[PIXELS], grad2[PIXELS];
    size_t values = reference_values(&p, o.reduction), bytes = 0;
    for (size_t i = 0; i < values; i++) upstream[i] = 0.5f + 0.25f * (float)(i % 7);
    const float* seed = with_upstream ? upstream : NULL;
    reference_map(&p, x, y, map);
    reference_reduce(&p, o.reduction, map, expected);
    reference_gradient(&p, o.reduction, seed, x, y, expected_grad1);
    reference_gradient(&p, o.reduction, seed, y, x, expected_grad2);

    CHECK_OK(fssim_saved_size(N, C, H, W, &o, &bytes));
    // Nothing is kept under a narrow window, and no byte of `saved` is touched.
    CHECK(o.sigma < 1.5 ? bytes == 0 : bytes >= PIXELS * sizeof(float));
    void* saved = NULL;
    CHECK(posix_memalign(&saved, 16, bytes) == 0);
    CHECK_OK(fssim_forward(x, y, N, C, H, W, &o, ssim, saved));
    for (size_t i = 0; i < values; i++) CHECK_NEAR(ssim[i], expected[i], value_tolerance);

    CHECK_OK(fssim_backward(x, y, N, C, H, W, &o, saved, seed, grad1, grad2));
    CHECK_NEAR(reference_distance(grad1, expected_grad1, PIXELS), 0, gradient_tolerance);
    CHECK_NEAR(reference_distance(grad2, expected_grad2, PIXELS), 0, gradient_tolerance);
    free(saved);

    memset(grad1, 0xff, sizeof grad1);
    memset(grad2, 0xff, sizeof grad2);
    CHECK_OK(fssim_backward(x, y, N, C, H, W, &o, NULL, seed, grad1, NULL));
    CHECK_OK(fssim_backward(x, y, N, C, H, W, &o, NULL, seed, NULL, grad2));
    CHECK_NEAR(reference_distance(grad1, expected_grad1, PIXELS), 0, gradient_tolerance);
    CHECK_NEAR(reference_distance(grad2, expected_grad2, PIXELS), 0, gradient_tolerance);

    if (with_upstream) return;
    memset(ssim, 0xff, sizeof ssim);
    memset(grad1, 0xff, sizeof grad1);
    memset(grad2, 0xff, sizeof grad2);
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, &o, ssim, grad1, grad2));
    for (size_t i = 0; i < values; i++) CHECK_NEAR(ssim[i], expected[i], value_tolerance);
    CHECK_NEAR(reference_distance(grad1, expected_grad1, PIXELS), 0, gradient_tolerance);
    CHECK_NEAR(reference_distance(grad2, expected_grad2, PIXELS), 0, gradient_tolerance);
}

static void check_reductions(int padding) {
    fssim_options o = defaults();
    o.padding = padding;
    for (int reduction = FSSIM_REDUCTION_MEAN; reduction <= FSSIM_REDUCTION_MAP; reduction++) {
        o.reduction = reduction;
        check_all_operations(&o, false);
        check_all_operations(&o, true);
    }
}

static void every_reduction_with_same_padding(void) { check_reductions(FSSIM_PADDING_SAME); }

static void every_reduction_with_valid_padding(void) { check_reductions(FSSIM_PADDING_VALID); }

static void sigma_and_constants(void) {
    fssim_options o = defaults();
    o.sigma = 0.9;
    o.k1 = 0.02;
    o.k2 = 0.05;
    check_all_operations(&o, false);
}

static void data_range_scales_the_constants(void) {
    static float x255[PIXELS], y255[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        x255[i] = x[i] * 256;
        y255[i] = y[i] * 256;
    }
    fssim_options o = defaults();
    o.data_range = 256;
    float one = -1, scaled = -2;
    CHECK_OK(fssim_forward(x, y, N, C, H, W, NULL, &one, NULL));
    CHECK_OK(fssim_forward(x255, y255, N, C, H, W, &o, &scaled, NULL));
    CHECK_NEAR(scaled, one, value_tolerance);
}

static void saved_for_one_image(void) {
    for (int which = FSSIM_SAVE_FOR_IMG1; which <= FSSIM_SAVE_FOR_IMG2; which++) {
        fssim_options o = defaults();
        o.saved_for = which;
        size_t bytes = 0;
        CHECK_OK(fssim_saved_size(N, C, H, W, &o, &bytes));
        void* saved = NULL;
        CHECK(posix_memalign(&saved, 16, bytes) == 0);
        float ssim = -1;
        static float gradient[PIXELS];
        static double expected[PIXELS];
        CHECK_OK(fssim_forward(x, y, N, C, H, W, &o, &ssim, saved));
        bool first = which == FSSIM_SAVE_FOR_IMG1;
        CHECK_OK(fssim_backward(x, y, N, C, H, W, &o, saved, NULL, first ? gradient : NULL, first ? NULL : gradient));
        reference_problem p = reference_defaults(N, C, H, W);
        reference_gradient(&p, FSSIM_REDUCTION_MEAN, NULL, first ? x : y, first ? y : x, expected);
        CHECK_NEAR(reference_distance(gradient, expected, PIXELS), 0, gradient_tolerance);
        free(saved);
    }
}

static void stream_calls_on_host_memory_run_at_once(void) {
    float plain = -1, stream = -2;
    static float gradient[PIXELS], again[PIXELS];
    size_t bytes = 0;
    CHECK_OK(fssim_workspace_size(N, C, H, W, NULL, &bytes));
    CHECK(bytes > 0);
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &plain, gradient, NULL));
    CHECK_OK(fssim_value_and_grad_stream(x, y, N, C, H, W, NULL, &stream, again, NULL, NULL, 0, NULL));
    CHECK(plain == stream && memcmp(gradient, again, sizeof again) == 0);
    stream = -2;
    CHECK_OK(fssim_forward_stream(x, y, N, C, H, W, NULL, &stream, NULL, NULL, 0, NULL));
    CHECK_NEAR(stream, plain, value_tolerance);
    CHECK_OK(fssim_backward_stream(x, y, N, C, H, W, NULL, NULL, NULL, again, NULL, NULL, 0, NULL));
    CHECK_NEAR(again[PIXELS / 2], gradient[PIXELS / 2], 1e-9);
}

static void bits_do_not_depend_on_threads_or_repetition(void) {
    float first = -1;
    static float gradient[PIXELS], again[PIXELS];
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &first, gradient, NULL));
    for (int threads = 1; threads <= 10; threads++) {
        float ssim = -2;
        CHECK_OK(fssim_set_num_threads(threads));
        CHECK(fssim_get_num_threads() == threads);
        CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &ssim, again, NULL));
        CHECK(ssim == first && memcmp(gradient, again, sizeof again) == 0);
    }
    CHECK_OK(fssim_set_num_threads(0));
    CHECK(fssim_get_num_threads() >= 1);
}

int main(void) {
    reference_images(PIXELS, W, x, y);
    RUN(versions_agree);
    RUN(options_hold_the_documented_defaults);
    RUN(identical_images_have_ssim_one_and_no_gradient);
    RUN(one_pixel_by_hand);
    RUN(constant_images_by_hand);
    RUN(ssim_is_symmetric);
    RUN(every_reduction_with_same_padding);
    RUN(every_reduction_with_valid_padding);
    RUN(sigma_and_constants);
    RUN(data_range_scales_the_constants);
    RUN(saved_for_one_image);
    RUN(stream_calls_on_host_memory_run_at_once);
    RUN(bits_do_not_depend_on_threads_or_repetition);
    return finish();
}
