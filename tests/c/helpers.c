// Everything beside the operations: sizes, texts, counts, threads, preloading.
#include <stdbool.h>
#include <stdlib.h>

#include "check.h"
#include "driver.h"

static const size_t poison = 0xabcdef;

static void options_init_refuses_bad_arguments(void) {
    fssim_options o;
    memset(&o, 0x5a, sizeof o);
    fssim_options before = o;
    CHECK_STATUS(fssim_options_init(NULL, sizeof o), FSSIM_ERROR_NULL_POINTER);
    CHECK_MENTIONS(fssim_last_error(), "options");
    const size_t sizes[] = {0, 1, sizeof o - 1, sizeof o + 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CHECK_STATUS(fssim_options_init(&o, sizes[i]), FSSIM_ERROR_STRUCT_SIZE);
        CHECK_MENTIONS(fssim_last_error(), "struct_size");
    }
    CHECK(memcmp(&o, &before, sizeof o) == 0);
}

typedef fssim_status (*size_function)(int64_t, int64_t, int64_t, int64_t, const fssim_options*, size_t*);

static void check_size_function(size_function size) {
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    size_t bytes = poison;
    CHECK_STATUS(size(1, 3, 32, 32, NULL, NULL), FSSIM_ERROR_NULL_POINTER);
    CHECK_MENTIONS(fssim_last_error(), "bytes");
    CHECK_STATUS(size(0, 3, 32, 32, NULL, &bytes), FSSIM_ERROR_SHAPE);
    CHECK_STATUS(size(1, 3, -1, 32, NULL, &bytes), FSSIM_ERROR_SHAPE);
    CHECK_STATUS(size(INT64_MAX, INT64_MAX, 2, 2, NULL, &bytes), FSSIM_ERROR_SHAPE);
    o.sigma = -1;
    CHECK_STATUS(size(1, 3, 32, 32, &o, &bytes), FSSIM_ERROR_OPTION);
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.img1.stride_w = -1;
    CHECK_STATUS(size(1, 3, 32, 32, &o, &bytes), FSSIM_ERROR_LAYOUT);
    CHECK_OK(fssim_options_init(&o, sizeof o));
    o.img1.dtype = FSSIM_DTYPE_F64;
    CHECK_STATUS(size(1, 3, 32, 32, &o, &bytes), FSSIM_ERROR_LAYOUT);
    o.struct_size--;
    CHECK_STATUS(size(1, 3, 32, 32, &o, &bytes), FSSIM_ERROR_STRUCT_SIZE);
    CHECK(bytes == poison);
    CHECK_OK(size(1, 3, 32, 32, NULL, &bytes));
    CHECK(bytes != poison && bytes > 0);
}

static void saved_size_checks_and_answers(void) {
    check_size_function(fssim_saved_size);
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    size_t one = 0, both = 0;
    CHECK_OK(fssim_saved_size(2, 3, 40, 50, &o, &one));
    o.saved_for = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2;
    CHECK_OK(fssim_saved_size(2, 3, 40, 50, &o, &both));
    CHECK(one < both);
    // Doubles are saved as doubles, bytes as floats.
    size_t doubles = 0, bytes = 0;
    o.img1.dtype = o.img2.dtype = FSSIM_DTYPE_F64;
    CHECK_OK(fssim_saved_size(2, 3, 40, 50, &o, &doubles));
    CHECK(doubles == 2 * both);
    o.img1.dtype = o.img2.dtype = FSSIM_DTYPE_U8;
    CHECK_OK(fssim_saved_size(2, 3, 40, 50, &o, &bytes));
    CHECK(bytes == both);
}

static void workspace_size_checks_and_answers(void) {
    check_size_function(fssim_workspace_size);
    size_t bytes = 0;
    CHECK_OK(fssim_workspace_size(1, 1, 1, 1, NULL, &bytes));
    CHECK(bytes > 0);
}

static void status_string_knows_every_status(void) {
    const fssim_status known[] = {FSSIM_OK,
                                  FSSIM_ERROR_NULL_POINTER,
                                  FSSIM_ERROR_STRUCT_SIZE,
                                  FSSIM_ERROR_SHAPE,
                                  FSSIM_ERROR_OPTION,
                                  FSSIM_ERROR_LAYOUT,
                                  FSSIM_ERROR_ALIGNMENT,
                                  FSSIM_ERROR_OVERLAP,
                                  FSSIM_ERROR_DEVICE,
                                  FSSIM_ERROR_WORKSPACE,
                                  FSSIM_ERROR_STREAM,
                                  FSSIM_ERROR_UNSUPPORTED,
                                  FSSIM_ERROR_NO_CUDA,
                                  FSSIM_ERROR_CUDA,
                                  FSSIM_ERROR_OUT_OF_MEMORY,
                                  FSSIM_ERROR_INTERNAL};
    enum { COUNT = sizeof known / sizeof *known };
    const char* unknown = fssim_status_string(12345);
    CHECK(unknown != NULL && strlen(unknown) > 0);
    for (int i = 0; i < COUNT; i++) {
        const char* text = fssim_status_string(known[i]);
        CHECK(text != NULL && strlen(text) > 0 && strcmp(text, unknown) != 0);
        for (int j = 0; j < i; j++) CHECK(known[i] != known[j] && strcmp(text, fssim_status_string(known[j])) != 0);
    }
    CHECK(strcmp(fssim_status_string(-1), unknown) == 0);
    CHECK(strcmp(fssim_status_string(INT32_MIN), unknown) == 0);
    CHECK(strcmp(fssim_status_string(INT32_MAX), unknown) == 0);
}

static void last_error_is_that_of_the_last_call(void) {
    fssim_options o;
    CHECK_OK(fssim_options_init(&o, sizeof o));
    CHECK(strcmp(fssim_last_error(), "") == 0);
    CHECK_STATUS(fssim_options_init(NULL, 0), FSSIM_ERROR_NULL_POINTER);
    CHECK(strlen(fssim_last_error()) > 0);
    // Functions without a status leave the text alone.
    CHECK(fssim_version() > 0 && fssim_get_num_threads() > 0 && fssim_status_string(0) != NULL);
    CHECK_MENTIONS(fssim_last_error(), "options");
    CHECK_OK(fssim_options_init(&o, sizeof o));
    CHECK(strcmp(fssim_last_error(), "") == 0);
}

static void backend_info_fits_any_buffer(void) {
    size_t needed = poison;
    CHECK_STATUS(fssim_backend_info(NULL, 10, &needed), FSSIM_ERROR_NULL_POINTER);
    CHECK_MENTIONS(fssim_last_error(), "buffer");
    CHECK(needed == poison);
    CHECK_OK(fssim_backend_info(NULL, 0, NULL));
    CHECK_OK(fssim_backend_info(NULL, 0, &needed));
    CHECK(needed > 20 && needed < 100000);
    char *whole = (char*)malloc(needed), cut[12];
    CHECK_OK(fssim_backend_info(whole, needed, NULL));
    CHECK(strlen(whole) + 1 == needed);
    CHECK_MENTIONS(whole, "fused-ssim ");
    CHECK_MENTIONS(whole, "cpu: ");
    memset(cut, 'x', sizeof cut);
    size_t again = 0;
    CHECK_OK(fssim_backend_info(cut, sizeof cut - 1, &again));
    CHECK(again == needed && cut[10] == '\0' && cut[11] == 'x' && strncmp(cut, whole, 10) == 0);
    CHECK_OK(fssim_backend_info(cut, 1, NULL));
    CHECK(cut[0] == '\0');
    free(whole);
}

static void device_count_answers_without_a_driver(void) {
    CHECK_STATUS(fssim_device_count(NULL), FSSIM_ERROR_NULL_POINTER);
    CHECK_MENTIONS(fssim_last_error(), "count");
    int32_t count = -5;
    CHECK_OK(fssim_device_count(&count));
    if (driver_present()) {
        CHECK(count >= 0);
    } else {
        CHECK(count == 0);
    }
}

static void preload_needs_a_driver_and_a_device(void) {
    if (!driver_present()) {
        CHECK_STATUS(fssim_cuda_preload(0), FSSIM_ERROR_NO_CUDA);
        CHECK(strlen(fssim_last_error()) > 10);
        return;
    }
    const int32_t absent[] = {-1, 4096, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 4; i++) {
        CHECK_STATUS(fssim_cuda_preload(absent[i]), FSSIM_ERROR_DEVICE);
        CHECK_MENTIONS(fssim_last_error(), "device");
    }
}

static void num_threads_refuses_negative_numbers(void) {
    CHECK_OK(fssim_set_num_threads(3));
    CHECK_STATUS(fssim_set_num_threads(-1), FSSIM_ERROR_OPTION);
    CHECK_MENTIONS(fssim_last_error(), "threads is -1");
    CHECK_STATUS(fssim_set_num_threads(INT32_MIN), FSSIM_ERROR_OPTION);
    CHECK(fssim_get_num_threads() == 3);
    CHECK_OK(fssim_set_num_threads(0));
    CHECK(fssim_get_num_threads() >= 1);
}

int main(void) {
    RUN(options_init_refuses_bad_arguments);
    RUN(saved_size_checks_and_answers);
    RUN(workspace_size_checks_and_answers);
    RUN(status_string_knows_every_status);
    RUN(last_error_is_that_of_the_last_call);
    RUN(backend_info_fits_any_buffer);
    RUN(device_count_answers_without_a_driver);
    RUN(preload_needs_a_driver_and_a_device);
    RUN(num_threads_refuses_negative_numbers);
    return finish();
}
