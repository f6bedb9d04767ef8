// Two mistakes at once: the one whose check the header names first is reported.
#include "call.h"
#include "driver.h"

typedef struct {
    const char* name;
    int rank;    // its place in the header's order of checks
    void (*spoil)(call*);
    int operations;
    fssim_status status;
} mistake;

enum { NULL_RANK, STRUCT_SIZE, SHAPE, OPTIONS, LAYOUT, UNSUPPORTED, ALIGNMENT, OVERLAP, DEVICE, STREAM };

static void null_img2(call* k) { k->img2 = NULL; }
static void null_ssim(call* k) { k->ssim = NULL; }
static void null_gradients(call* k) { k->grad_img1 = k->grad_img2 = NULL; }
static void wrong_struct_size(call* k) { k->options->struct_size = 7; }
static void no_images(call* k) { k->n = 0; }
static void below_window(call* k) {
    k->options->padding = FSSIM_PADDING_VALID;
    k->w = 10;
}
static void unknown_device(call* k) { k->options->device = 9; }
static void unknown_reduction(call* k) { k->options->reduction = 9; }
static void sigma_nan(call* k) { k->options->sigma = NAN; }
static void k2_zero(call* k) { k->options->k2 = 0; }
static void lambda_nan(call* k) { k->lambda = NAN; }
static void not_saved(call* k) { k->options->saved_for = FSSIM_SAVE_FOR_IMG2; }
static void shard_too_narrow(call* k) {
    k->options->shard_height = 100;
    k->options->shard_rows_above = 5;
}
static void unknown_dtype(call* k) { k->options->img1.dtype = 77; }
static void f64_beside_f32(call* k) { k->options->img2.dtype = FSSIM_DTYPE_F64; }
static void negative_stride(call* k) { k->options->grad_img1.stride_w = -1; }
static void gradient_of_bytes(call* k) { k->options->grad_img2.dtype = FSSIM_DTYPE_U8; }
static void mask_of_halves(call* k) {
    k->options->mask_mode = FSSIM_MASK_WEIGHTED_MEAN;
    k->options->mask = k->workspace;
    k->options->mask_layout.dtype = FSSIM_DTYPE_F16;
}
static void upstream_of_a_shard(call* k) {
    k->options->reduction = FSSIM_REDUCTION_MAP;
    k->options->shard_height = k->h;
}
static void misaligned_img2(call* k) { k->img2 = (const char*)k->img2 + 2; }
static void misaligned_saved(call* k) { k->saved = (char*)k->saved + 4; }
static void ssim_in_img1(call* k) { k->ssim = (float*)(uintptr_t)k->img1; }
static void one_gradient_twice(call* k) { k->grad_img1 = k->grad_img2; }
static void cuda_wanted(call* k) { k->options->device = FSSIM_DEVICE_CUDA; }
static void stream_given(call* k) { k->stream = k->workspace; }

static mistake mistakes[] = {
#define M(name, rank, operations, status) {#name, rank, name, operations, FSSIM_ERROR_##status}
    M(null_img2, NULL_RANK, ALL, NULL_POINTER),
    M(null_ssim, NULL_RANK, HAS_SSIM, NULL_POINTER),
    M(null_gradients, NULL_RANK, NEEDS_GRADIENTS, NULL_POINTER),
    M(wrong_struct_size, STRUCT_SIZE, ALL, STRUCT_SIZE),
    M(no_images, SHAPE, ALL, SHAPE),
    M(below_window, SHAPE, ALL, SHAPE),
    M(unknown_device, OPTIONS, ALL, OPTION),
    M(unknown_reduction, OPTIONS, ALL, OPTION),
    M(sigma_nan, OPTIONS, ALL, OPTION),
    M(k2_zero, OPTIONS, ALL, OPTION),
    M(lambda_nan, OPTIONS, HAS_LOSS, OPTION),
    M(not_saved, OPTIONS, HAS_SAVED_INPUT, OPTION),
    M(shard_too_narrow, OPTIONS, ALL, OPTION),
    M(unknown_dtype, LAYOUT, ALL, LAYOUT),
    M(f64_beside_f32, LAYOUT, ALL, LAYOUT),
    M(negative_stride, LAYOUT, ALL, LAYOUT),
    M(gradient_of_bytes, LAYOUT, ALL, LAYOUT),
    M(mask_of_halves, UNSUPPORTED, ALL, UNSUPPORTED),
    M(upstream_of_a_shard, UNSUPPORTED, HAS_SAVED_INPUT, UNSUPPORTED),
    M(misaligned_img2, ALIGNMENT, ALL, ALIGNMENT),
    M(misaligned_saved, ALIGNMENT, HAS_SAVED_INPUT | HAS_SAVED_OUTPUT, ALIGNMENT),
    M(ssim_in_img1, OVERLAP, HAS_SSIM, OVERLAP),
    M(one_gradient_twice, OVERLAP, HAS_GRADIENTS, OVERLAP),
    M(cuda_wanted, DEVICE, ALL, DEVICE),
    M(stream_given, STREAM, HAS_STREAM, STREAM),
#undef M
};

enum { COUNT = sizeof mistakes / sizeof *mistakes };

static void check_pair(const mistake* first, const mistake* second, operation op) {
    fixture f;
    fixture_open(&f);
    // The later one is made first, so that it cannot undo the earlier one.
    second->spoil(&f.call);
    first->spoil(&f.call);
    fssim_status status = call_run(&f.call, op);
    CHECK(fixture_untouched(&f));
    if (status != first->status && check_failed(__FILE__, __LINE__)) {
        printf("%s with %s and %s: %d (%s); expected %s\n", operation_name(op), first->name, second->name, (int)status,
               fssim_last_error(), fssim_status_string(first->status));
    }
    fixture_close(&f);
}

int main(void) {
    if (!driver_present()) {
        for (int i = 0; i < COUNT; i++)
            if (mistakes[i].rank == DEVICE) mistakes[i].status = FSSIM_ERROR_NO_CUDA;
    }
    for (int i = 0; i < COUNT; i++) {
        int pairs = 0;
        for (int j = 0; j < COUNT; j++) {
            if (mistakes[i].rank >= mistakes[j].rank) continue;
            // An unknown device and CUDA are one member of the options, which cannot be wrong in both ways.
            if (mistakes[i].spoil == unknown_device && mistakes[j].spoil == cuda_wanted) continue;
            for (int op = 0; op < OPERATIONS; op++) {
                if ((mistakes[i].operations & mistakes[j].operations & 1 << op) == 0) continue;
                check_pair(&mistakes[i], &mistakes[j], (operation)op);
                pairs++;
            }
        }
        CHECK(pairs > 0 || mistakes[i].rank == STREAM);
        if (pairs == 0) continue;
        char name[80];
        snprintf(name, sizeof name, "%s comes before %d later mistakes", mistakes[i].name, pairs);
        check_report(name);
    }
    return finish();
}
