// Element types: what the library reads and writes, through the pointers and options of C. That the numbers are right for
// every combination is tested in Rust (tests/cpu/dtypes.rs).
#include "check.h"
#include "reference.h"

enum { N = 1, C = 3, H = 14, W = 21, PIXELS = N * C * H * W };

static float x[PIXELS], y[PIXELS], expected_ssim, expected_grad1[PIXELS], expected_grad2[PIXELS];

static fssim_options options_for(int32_t dtype1, int32_t dtype2, int32_t grad_dtype) {
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.img1.dtype = dtype1;
    o.img2.dtype = dtype2;
    o.grad_img1.dtype = o.grad_img2.dtype = grad_dtype;
    return o;
}

// Multiples of 1/256, which bytes, halves and bfloat16 all hold.
static void make_images(void) {
    for (int i = 0; i < PIXELS; i++) {
        x[i] = (float)(i * 37 % 251) / 256;
        y[i] = (float)((i * 37 + i % 7 * 11) % 251) / 256;
    }
    CHECK_OK(fssim_value_and_grad(x, y, N, C, H, W, NULL, &expected_ssim, expected_grad1, expected_grad2));
}

static uint16_t bfloat(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

static float from_bfloat(uint16_t bfloat) {
    uint32_t bits = (uint32_t)bfloat << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// x is a multiple of 1/256 below 1.
static uint16_t half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return value == 0 ? 0 : (uint16_t)((bits - (112u << 23)) >> 13);
}

static void bytes_against_floats(void) {
    uint8_t bytes[PIXELS];
    for (int i = 0; i < PIXELS; i++) bytes[i] = (uint8_t)(x[i] * 256);
    fssim_options o = options_for(FSSIM_DTYPE_U8, FSSIM_DTYPE_F32, FSSIM_DTYPE_F32);
    o.img1.scale = 1.0 / 256;
    float ssim = -1, grad1[PIXELS], grad2[PIXELS];
    CHECK_OK(fssim_value_and_grad(bytes, y, N, C, H, W, &o, &ssim, grad1, grad2));
    CHECK(ssim == expected_ssim);
    for (int i = 0; i < PIXELS; i++) {
        // The gradient of img1 is that of the bytes.
        CHECK(grad1[i] == expected_grad1[i] / 256);
        CHECK(grad2[i] == expected_grad2[i]);
    }
    // The default scale is 1/255.
    float stretched[PIXELS], want = -1;
    for (int i = 0; i < PIXELS; i++) stretched[i] = (float)bytes[i] / 255;
    CHECK_OK(fssim_forward(stretched, y, N, C, H, W, NULL, &want, NULL));
    o.img1.scale = 0;
    CHECK_OK(fssim_forward(bytes, y, N, C, H, W, &o, &ssim, NULL));
    CHECK_NEAR(ssim, want, 1e-6);
}

static void halves_and_bfloats(void) {
    uint16_t halves[PIXELS], bfloats[PIXELS], grad1[PIXELS], grad2[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        halves[i] = half(x[i]);
        bfloats[i] = bfloat(y[i]);
    }
    fssim_options o = options_for(FSSIM_DTYPE_F16, FSSIM_DTYPE_BF16, FSSIM_DTYPE_BF16);
    float ssim = -1;
    CHECK_OK(fssim_value_and_grad(halves, bfloats, N, C, H, W, &o, &ssim, grad1, grad2));
    CHECK(ssim == expected_ssim);
    for (int i = 0; i < PIXELS; i++) {
        CHECK_NEAR(from_bfloat(grad1[i]), expected_grad1[i], 1.0 / 256 * fabsf(expected_grad1[i]));
        CHECK_NEAR(from_bfloat(grad2[i]), expected_grad2[i], 1.0 / 256 * fabsf(expected_grad2[i]));
    }
}

static void doubles(void) {
    static double xd[PIXELS], yd[PIXELS], grad[PIXELS], again[PIXELS];
    for (int i = 0; i < PIXELS; i++) {
        xd[i] = x[i];
        yd[i] = y[i];
    }
    fssim_options o = options_for(FSSIM_DTYPE_F64, FSSIM_DTYPE_F64, FSSIM_DTYPE_F64);
    double ssim = -1, factor = 3;
    CHECK_OK(fssim_value_and_grad(xd, yd, N, C, H, W, &o, &ssim, grad, NULL));
    CHECK_NEAR(ssim, expected_ssim, 1e-6);
    CHECK(ssim != (double)(float)ssim);
    for (int i = 0; i < PIXELS; i++) CHECK_NEAR(grad[i], expected_grad1[i], 1e-8);
    // The upstream gradient and what is saved are doubles, too.
    size_t bytes = 0;
    CHECK_OK(fssim_saved_size(N, C, H, W, &o, &bytes));
    void* saved = NULL;
    CHECK(posix_memalign(&saved, 16, bytes) == 0);
    CHECK_OK(fssim_forward(xd, yd, N, C, H, W, &o, &ssim, saved));
    CHECK_OK(fssim_backward(xd, yd, N, C, H, W, &o, saved, &factor, again, NULL));
    for (int i = 0; i < PIXELS; i++) CHECK_NEAR(again[i], 3 * grad[i], 1e-15);
    free(saved);
    // A gradient by finite differences, which floats could not do.
    double moved_up = 0, moved_down = 0, step = 1e-6;
    xd[100] += step;
    CHECK_OK(fssim_forward(xd, yd, N, C, H, W, &o, &moved_up, NULL));
    xd[100] -= 2 * step;
    CHECK_OK(fssim_forward(xd, yd, N, C, H, W, &o, &moved_down, NULL));
    CHECK_NEAR((moved_up - moved_down) / (2 * step), grad[100], 1e-9);
}

// Elements of two bytes need addresses of two bytes, and no more.
static void alignment_is_that_of_the_type(void) {
    uint16_t halves[PIXELS + 1];
    uint8_t bytes[PIXELS + 1];
    memset(halves, 0, sizeof halves);
    memset(bytes, 0, sizeof bytes);
    fssim_options o = options_for(FSSIM_DTYPE_F16, FSSIM_DTYPE_U8, FSSIM_DTYPE_F32);
    float ssim = -1;
    CHECK_OK(fssim_forward(halves + 1, bytes + 1, N, C, H, W, &o, &ssim, NULL));
    CHECK(ssim == 1);
    CHECK_STATUS(fssim_forward((char*)halves + 1, bytes, N, C, H, W, &o, &ssim, NULL), FSSIM_ERROR_ALIGNMENT);
    CHECK_MENTIONS(fssim_last_error(), "multiple of 2");
    double values[1] = {-1};
    o = options_for(FSSIM_DTYPE_F64, FSSIM_DTYPE_F64, FSSIM_DTYPE_F64);
    static double image[PIXELS];
    CHECK_STATUS(fssim_forward(image, image, N, C, H, W, &o, (char*)values + 4, NULL), FSSIM_ERROR_ALIGNMENT);
    CHECK_MENTIONS(fssim_last_error(), "ssim");
}

int main(void) {
    make_images();
    RUN(bytes_against_floats);
    RUN(halves_and_bfloats);
    RUN(doubles);
    RUN(alignment_is_that_of_the_type);
    return finish();
}
