// Strides: the same pixels, laid out differently, give the same answer, and nothing between them is touched.
#include "check.h"
#include "reference.h"

enum { N = 2, C = 3, H = 13, W = 19, PIXELS = N * C * H * W, ROOM = 4 * PIXELS };

static float x[PIXELS], y[PIXELS], expected_ssim, expected_grad1[PIXELS], expected_grad2[PIXELS];

// Between the elements of a strided gradient; no gradient is this large.
static const float untouched = 1234.5f;

typedef struct {
    int64_t n, c, h, w, offset;
} strides;

static size_t at(const strides* s, int n, int c, int h, int w) {
    return (size_t)(s->offset + n * s->n + c * s->c + h * s->h + w * s->w);
}

static size_t dense(int n, int c, int h, int w) { return (((size_t)n * C + c) * H + h) * W + w; }

#define FOR_EACH_PIXEL                                                                                                 \
    for (int n = 0; n < N; n++)                                                                                        \
        for (int c = 0; c < C; c++)                                                                                    \
            for (int h = 0; h < H; h++)                                                                                \
                for (int w = 0; w < W; w++)

static fssim_layout layout(const strides* s) {
    fssim_layout layout = {FSSIM_DTYPE_F32, 0, 0.0, s->n, s->c, s->h, s->w};
    return layout;
}

// Lays img1 and img2 out as given, and the gradients the other way round, so that all four layouts matter.
static void check_layout(strides s1, strides s2) {
    static float img1[ROOM], img2[ROOM], grad1[ROOM], grad2[ROOM];
    for (int i = 0; i < ROOM; i++) img1[i] = img2[i] = grad1[i] = grad2[i] = untouched;
    FOR_EACH_PIXEL {
        img1[at(&s1, n, c, h, w)] = x[dense(n, c, h, w)];
        img2[at(&s2, n, c, h, w)] = y[dense(n, c, h, w)];
    }
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.img1 = layout(&s1);
    o.img2 = layout(&s2);
    o.grad_img1 = layout(&s2);
    o.grad_img2 = layout(&s1);
    float ssim = -1;
    CHECK_OK(fssim_value_and_grad(img1 + s1.offset, img2 + s2.offset, N, C, H, W, &o, &ssim, grad1 + s2.offset,
                                  grad2 + s1.offset));
    CHECK_NEAR(ssim, expected_ssim, 1e-6);
    FOR_EACH_PIXEL {
        float *g1 = &grad1[at(&s2, n, c, h, w)], *g2 = &grad2[at(&s1, n, c, h, w)];
        CHECK_NEAR(*g1, expected_grad1[dense(n, c, h, w)], 1e-8);
        CHECK_NEAR(*g2, expected_grad2[dense(n, c, h, w)], 1e-8);
        *g1 = *g2 = untouched;
    }
    for (int i = 0; i < ROOM; i++) CHECK(grad1[i] == untouched && grad2[i] == untouched);
}

static const strides nchw = {C * H * W, H* W, W, 1, 0};

static void explicit_dense_strides(void) { check_layout(nchw, nchw); }

static void channels_last(void) {
    strides nhwc = {H * W * C, 1, W * C, C, 0};
    check_layout(nhwc, nhwc);
    check_layout(nhwc, nchw);
}

static void column_major_orders(void) {
    strides whcn = {W * H * C, W * H, W, 1, 0};
    strides hwcn = {H * W * C, H * W, 1, H, 0};
    strides cwhn = {C * W * H, 1, C * W, C, 0};
    strides nhwc_reversed = {1, N * H * W, N * W, N, 0};
    check_layout(whcn, hwcn);
    check_layout(cwhn, nhwc_reversed);
}

static void crop_of_a_larger_image(void) {
    strides crop = {C * (H + 4) * (W + 7), (H + 4) * (W + 7), W + 7, 1, 2 * (W + 7) + 3};
    check_layout(crop, crop);
    check_layout(crop, nchw);
}

static void every_second_column(void) {
    strides spread = {C * H * W * 2, H * W * 2, W * 2, 2, 1};
    check_layout(spread, nchw);
}

static void broadcast_input(void) {
    // One plane stands for every image and channel: zero strides, for inputs only.
    static float repeated[PIXELS], gradient[PIXELS], expected[PIXELS];
    FOR_EACH_PIXEL { repeated[dense(n, c, h, w)] = y[dense(0, 0, h, w)]; }
    float plain = -1, broadcast = -2;
    CHECK_OK(fssim_value_and_grad(x, repeated, N, C, H, W, NULL, &plain, expected, NULL));
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.img2.stride_h = W;
    o.img2.stride_w = 1;
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, &o, &broadcast, gradient, NULL));
    CHECK(plain == broadcast && memcmp(gradient, expected, sizeof gradient) == 0);
}

static void saved_and_recomputed_gradients_honour_layouts(void) {
    strides crop = {C * (H + 4) * (W + 7), (H + 4) * (W + 7), W + 7, 1, 0};
    static float gradient[ROOM];
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.grad_img1 = layout(&crop);
    size_t bytes = 0;
    void* saved = NULL;
    float ssim = -1;
    CHECK_OK(fssim_saved_size(N, C, H, W, &o, &bytes));
    CHECK(posix_memalign(&saved, 16, bytes) == 0);
    CHECK_OK(fssim_forward(x, y, N, C, H, W, &o, &ssim, saved));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < ROOM; i++) gradient[i] = untouched;
        CHECK_OK(fssim_backward(x, y, N, C, H, W, &o, pass == 0 ? saved : NULL, NULL, gradient, NULL));
        FOR_EACH_PIXEL {
            CHECK_NEAR(gradient[at(&crop, n, c, h, w)], expected_grad1[dense(n, c, h, w)], 1e-8);
            gradient[at(&crop, n, c, h, w)] = untouched;
        }
        for (int i = 0; i < ROOM; i++) CHECK(gradient[i] == untouched);
    }
    free(saved);
}

int main(void) {
    reference_images(PIXELS, W, x, y);
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &expected_ssim, expected_grad1, expected_grad2));
    RUN(explicit_dense_strides);
    RUN(channels_last);
    RUN(column_major_orders);
    RUN(crop_of_a_larger_image);
    RUN(every_second_column);
    RUN(broadcast_input);
    RUN(saved_and_recomputed_gradients_honour_layouts);
    return finish();
}
