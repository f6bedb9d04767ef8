// SSIM of two images and its gradient, in plain C.
//
//     cc -Iinclude examples/c/minimal.c target/release/libfused_ssim.a -lgcc_s -lpthread -ldl -lm -o minimal
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "fused_ssim.h"

int main(void) {
    enum { N = 1, C = 3, H = 64, W = 96, PIXELS = N * C * H * W };
    float* picture = malloc(PIXELS * sizeof *picture);
    float* target = malloc(PIXELS * sizeof *target);
    float* gradient = malloc(PIXELS * sizeof *gradient);
    if (picture == NULL || target == NULL || gradient == NULL) return EXIT_FAILURE;
    for (int i = 0; i < PIXELS; i++) {
        target[i] = 0.5f + 0.4f * sinf(0.2f * (float)(i % W)) * cosf(0.1f * (float)(i / W));
        picture[i] = 0.5f + 0.5f * (target[i] - 0.5f);
    }

    // Options are optional: NULL means f32, dense NCHW, `same` padding, 11 taps, sigma 1.5, range 1, one mean.
    float before, after;
    if (fssim_value_and_grad(picture, target, N, C, H, W, NULL, &before, gradient, NULL) != FSSIM_OK) {
        fprintf(stderr, "%s\n", fssim_last_error());
        return EXIT_FAILURE;
    }

    // The gradient of the mean is divided by the number of pixels; one step uphill makes the picture more like the target.
    for (int i = 0; i < PIXELS; i++) picture[i] += 0.02f * (float)PIXELS * gradient[i];
    if (fssim_forward(picture, target, N, C, H, W, NULL, &after, NULL) != FSSIM_OK) {
        fprintf(stderr, "%s\n", fssim_last_error());
        return EXIT_FAILURE;
    }
    printf("SSIM %.4f, after one step along the gradient %.4f\n", before, after);

    free(picture);
    free(target);
    free(gradient);
    return after > before ? EXIT_SUCCESS : EXIT_FAILURE;
}
