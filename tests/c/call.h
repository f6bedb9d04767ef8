// One call of the library as data, over memory whose every byte is watched. The error tests change one thing in it.
#ifndef FSSIM_TESTS_CALL_H
#define FSSIM_TESTS_CALL_H

#include <stdlib.h>

#include "check.h"

enum { CALL_N = 2, CALL_C = 3, CALL_H = 16, CALL_W = 20, CALL_PIXELS = CALL_N * CALL_C * CALL_H * CALL_W };

typedef enum {
    FORWARD,
    BACKWARD,
    VALUE_AND_GRAD,
    FORWARD_STREAM,
    BACKWARD_STREAM,
    VALUE_AND_GRAD_STREAM,
    LOSS,
    LOSS_STREAM,
    OPERATIONS
} operation;

enum {
    HAS_SSIM = 1 << FORWARD | 1 << VALUE_AND_GRAD | 1 << FORWARD_STREAM | 1 << VALUE_AND_GRAD_STREAM,
    HAS_LOSS = 1 << LOSS | 1 << LOSS_STREAM,
    NEEDS_GRADIENTS = 1 << BACKWARD | 1 << VALUE_AND_GRAD | 1 << BACKWARD_STREAM | 1 << VALUE_AND_GRAD_STREAM,
    HAS_GRADIENTS = NEEDS_GRADIENTS | HAS_LOSS,
    HAS_SAVED_OUTPUT = 1 << FORWARD | 1 << FORWARD_STREAM,
    HAS_SAVED_INPUT = 1 << BACKWARD | 1 << BACKWARD_STREAM,
    HAS_STREAM = 1 << FORWARD_STREAM | 1 << BACKWARD_STREAM | 1 << VALUE_AND_GRAD_STREAM | 1 << LOSS_STREAM,
    ALL = (1 << OPERATIONS) - 1
};

typedef struct {
    const void *img1, *img2;
    int64_t n, c, h, w;
    fssim_options* options;
    float* ssim;
    void* saved;
    float* grad_ssim;
    int32_t pixel_loss;
    double lambda;
    void *grad_img1, *grad_img2;
    void* workspace;
    size_t workspace_bytes;
    void* stream;
} call;

// Everything that a call may point at, in one block, so that "nothing was written" is one comparison.
typedef struct {
    fssim_options options;
    float *memory, *copy;
    size_t floats;
    call call;
} fixture;

static inline const char* operation_name(operation op) {
    static const char* const names[] = {"fssim_forward",        "fssim_backward",        "fssim_value_and_grad",
                                        "fssim_forward_stream", "fssim_backward_stream", "fssim_value_and_grad_stream",
                                        "fssim_loss",           "fssim_loss_stream"};
    return names[op];
}

// A call that would succeed, all of its memory filled with plausible pixels.
static inline void fixture_open(fixture* f) {
    CHECK_OK(fssim_options_init(&f->options, sizeof f->options));
    f->options.saved_for = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2;
    size_t saved_bytes = 0, workspace_bytes = 0;
    CHECK_OK(fssim_saved_size(CALL_N, CALL_C, CALL_H, CALL_W, &f->options, &saved_bytes));
    CHECK_OK(fssim_workspace_size(CALL_N, CALL_C, CALL_H, CALL_W, &f->options, &workspace_bytes));
    size_t saved_floats = (saved_bytes + 15) / 16 * 4, workspace_floats = (workspace_bytes + 15) / 16 * 4;
    // Seven regions of at least a map each, so that a wrong reduction would still be caught inside the block.
    f->floats = 6 * CALL_PIXELS + saved_floats + workspace_floats;
    void* memory = NULL;
    CHECK(posix_memalign(&memory, 64, f->floats * sizeof(float)) == 0);
    f->memory = (float*)memory;
    f->copy = (float*)malloc(f->floats * sizeof(float));
    for (size_t i = 0; i < f->floats; i++) f->copy[i] = f->memory[i] = (float)(i * 7919 % 1009) / 1009.0f;
    float* next = f->memory;
    call* c = &f->call;
    memset(c, 0, sizeof *c);
    c->n = CALL_N;
    c->c = CALL_C;
    c->h = CALL_H;
    c->w = CALL_W;
    c->options = &f->options;
    c->lambda = 0.2;
    c->img1 = next;
    c->img2 = next += CALL_PIXELS;
    c->ssim = next += CALL_PIXELS;
    c->grad_ssim = next += CALL_PIXELS;
    c->grad_img1 = next += CALL_PIXELS;
    c->grad_img2 = next += CALL_PIXELS;
    c->saved = next += CALL_PIXELS;
    c->workspace = next + saved_floats;
    c->workspace_bytes = workspace_bytes;
}

static inline int fixture_untouched(const fixture* f) {
    return memcmp(f->memory, f->copy, f->floats * sizeof(float)) == 0;
}

static inline void fixture_close(fixture* f) {
    free(f->memory);
    free(f->copy);
}

static inline fssim_status call_run(const call* k, operation op) {
    switch (op) {
    case FORWARD: return fssim_forward(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->ssim, k->saved);
    case BACKWARD:
        return fssim_backward(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->saved, k->grad_ssim,
                              k->grad_img1, k->grad_img2);
    case VALUE_AND_GRAD:
        return fssim_value_and_grad(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->ssim, k->grad_img1,
                                    k->grad_img2);
    case FORWARD_STREAM:
        return fssim_forward_stream(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->ssim, k->saved,
                                    k->workspace, k->workspace_bytes, k->stream);
    case BACKWARD_STREAM:
        return fssim_backward_stream(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->saved, k->grad_ssim,
                                     k->grad_img1, k->grad_img2, k->workspace, k->workspace_bytes, k->stream);
    case LOSS:
        return fssim_loss(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->pixel_loss, k->lambda, k->ssim,
                          k->grad_img1, k->grad_img2);
    case LOSS_STREAM:
        return fssim_loss_stream(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->pixel_loss, k->lambda,
                                 k->ssim, k->grad_img1, k->grad_img2, k->workspace, k->workspace_bytes, k->stream);
    default:
        return fssim_value_and_grad_stream(k->img1, k->img2, k->n, k->c, k->h, k->w, k->options, k->ssim, k->grad_img1,
                                           k->grad_img2, k->workspace, k->workspace_bytes, k->stream);
    }
}

#endif
