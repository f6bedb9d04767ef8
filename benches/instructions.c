// One call of the library, for benches/instructions: the name of the operation, and what is special about the call:
// "planes" (nothing), "interleaved" channels, a "uniform7" window, or inputs "multiplied" by a mask.
#include <fused_ssim.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { C = 3, H = 1080, W = 1920, PIXELS = C * H * W };

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    float* img1 = (float*)malloc(PIXELS * sizeof(float));
    float* img2 = (float*)malloc(PIXELS * sizeof(float));
    float* grad = (float*)calloc(PIXELS, sizeof(float));
    if (img1 == NULL || img2 == NULL || grad == NULL) return 1;
    for (int i = 0; i < PIXELS; i++) {
        img1[i] = (float)(i * 31L % 256) / 255;
        img2[i] = (float)(i * 77L % 256) / 255;
    }
    fssim_options options;
    fssim_status status = fssim_options_init(&options, sizeof options);
    if (strcmp(argv[2], "interleaved") == 0) {
        const fssim_layout layout = {FSSIM_DTYPE_F32, 0, 0, (int64_t)H * W * C, 1, (int64_t)W * C, C};
        options.img1 = options.img2 = options.grad_img1 = layout;
    } else if (strcmp(argv[2], "uniform7") == 0) {
        options.window = FSSIM_WINDOW_UNIFORM;
        options.window_size = 7;
    } else if (strcmp(argv[2], "multiplied") == 0) {
        options.mask = img2;
        options.mask_mode = FSSIM_MASK_MULTIPLY_INPUTS;
    }
    float ssim = 0;
    if (status == FSSIM_OK && strcmp(argv[1], "forward") == 0)
        status = fssim_forward(img1, img2, 1, C, H, W, &options, &ssim, NULL);
    else if (status == FSSIM_OK)
        status = fssim_value_and_grad(img1, img2, 1, C, H, W, &options, &ssim, grad, NULL);
    if (status != FSSIM_OK) fprintf(stderr, "%s\n", fssim_last_error());
    free(img1);
    free(img2);
    free(grad);
    return status != FSSIM_OK;
}
