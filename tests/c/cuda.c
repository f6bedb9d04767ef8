// The operations on device memory, on streams and in a captured graph, through a driver that is found at run time: a
// real one, or the emulated one of tests/emulator. No CUDA header is needed to call the library.
#include <pthread.h>
#include <stdbool.h>

#include "check.h"
#include "driver.h"
#include "reference.h"

enum { N = 2, C = 3, H = 21, W = 37, PIXELS = N * C * H * W, THREADS = 4, REPEATS = 10 };

static const double value_tolerance = 1e-6, gradient_tolerance = 2e-6;

static driver_functions driver;
static float x[PIXELS], y[PIXELS];
static double expected_ssim, expected_grad1[PIXELS], expected_grad2[PIXELS];

#define CHECK_DRIVER(call) CHECK((call) == 0)

// The library takes device addresses as pointers, as every CUDA runtime does.
static void* pointer(device_pointer address) { return (void*)(uintptr_t)address; }

// Device memory of one computation.
typedef struct {
    device_pointer img1, img2, ssim, grad1, grad2, saved, workspace;
    size_t workspace_bytes;
    fssim_options options;
} buffers;

static device_pointer allocate(size_t bytes) {
    device_pointer address = 0;
    CHECK_DRIVER(driver.allocate(&address, bytes));
    return address;
}

static void poison(buffers* b) {
    static float nan[PIXELS];
    memset(nan, 0xff, sizeof nan);
    CHECK_DRIVER(driver_upload(&driver, b->ssim, nan, sizeof(float)));
    CHECK_DRIVER(driver_upload(&driver, b->grad1, nan, sizeof nan));
    CHECK_DRIVER(driver_upload(&driver, b->grad2, nan, sizeof nan));
}

static buffers buffers_open(const float* img1, const float* img2) {
    buffers b;
    size_t saved_bytes = 0;
    CHECK_OK(fssim_options_init(&b.options, sizeof b.options));
    b.options.saved_for = FSSIM_SAVE_FOR_IMG1 | FSSIM_SAVE_FOR_IMG2;
    CHECK_OK(fssim_saved_size(N, C, H, W, &b.options, &saved_bytes));
    CHECK_OK(fssim_workspace_size(N, C, H, W, &b.options, &b.workspace_bytes));
    b.img1 = allocate(sizeof x);
    b.img2 = allocate(sizeof x);
    b.ssim = allocate(sizeof(float));
    b.grad1 = allocate(sizeof x);
    b.grad2 = allocate(sizeof x);
    b.saved = allocate(saved_bytes);
    b.workspace = allocate(b.workspace_bytes);
    CHECK_DRIVER(driver_upload(&driver, b.img1, img1, sizeof x));
    CHECK_DRIVER(driver_upload(&driver, b.img2, img2, sizeof x));
    poison(&b);
    return b;
}

static void buffers_close(buffers* b) {
    const device_pointer all[] = {b->img1, b->img2, b->ssim, b->grad1, b->grad2, b->saved, b->workspace};
    for (int i = 0; i < 7; i++) CHECK_DRIVER(driver.release(all[i]));
}

static float download_ssim(const buffers* b) {
    float ssim = -1;
    CHECK_DRIVER(driver.download(&ssim, b->ssim, sizeof ssim));
    return ssim;
}

static void check_gradient(device_pointer gradient, const double* expected) {
    static float host[PIXELS];
    CHECK_DRIVER(driver.download(host, gradient, sizeof host));
    CHECK_NEAR(reference_distance(host, expected, PIXELS), 0, gradient_tolerance);
}

static void check_results(const buffers* b) {
    CHECK_NEAR(download_ssim(b), expected_ssim, value_tolerance);
    check_gradient(b->grad1, expected_grad1);
    check_gradient(b->grad2, expected_grad2);
}

static fssim_status value_and_grad_on(const buffers* b, void* stream) {
    return fssim_value_and_grad_stream(pointer(b->img1), pointer(b->img2), N, C, H, W, &b->options, pointer(b->ssim),
                                       pointer(b->grad1), pointer(b->grad2), pointer(b->workspace), b->workspace_bytes,
                                       stream);
}

static void plain_calls(void) {
    buffers b = buffers_open(x, y);
    CHECK_OK(fssim_value_and_grad(pointer(b.img1), pointer(b.img2), N, C, H, W, NULL, pointer(b.ssim), pointer(b.grad1),
                                  pointer(b.grad2)));
    check_results(&b);
    poison(&b);
    CHECK_OK(
        fssim_forward(pointer(b.img1), pointer(b.img2), N, C, H, W, &b.options, pointer(b.ssim), pointer(b.saved)));
    CHECK_OK(fssim_backward(pointer(b.img1), pointer(b.img2), N, C, H, W, &b.options, pointer(b.saved), NULL,
                            pointer(b.grad1), pointer(b.grad2)));
    check_results(&b);
    poison(&b);
    CHECK_OK(fssim_forward(pointer(b.img1), pointer(b.img2), N, C, H, W, NULL, pointer(b.ssim), NULL));
    CHECK_OK(fssim_backward(pointer(b.img1), pointer(b.img2), N, C, H, W, NULL, NULL, NULL, pointer(b.grad1),
                            pointer(b.grad2)));
    check_results(&b);
    buffers_close(&b);
}

static void two_streams(void) {
    // The second stream computes the mirrored problem, so that results in the wrong place would show.
    buffers b[2] = {buffers_open(x, y), buffers_open(y, x)};
    void* streams[2];
    for (int i = 0; i < 2; i++) CHECK_DRIVER(driver.stream_create(&streams[i], STREAM_NON_BLOCKING));
    for (int i = 0; i < 2; i++) CHECK_OK(value_and_grad_on(&b[i], streams[i]));
    for (int i = 0; i < 2; i++) CHECK_DRIVER(driver.stream_synchronize(streams[i]));
    check_results(&b[0]);
    CHECK_NEAR(download_ssim(&b[1]), expected_ssim, value_tolerance);
    check_gradient(b[1].grad1, expected_grad2);
    check_gradient(b[1].grad2, expected_grad1);
    for (int i = 0; i < 2; i++) {
        CHECK_DRIVER(driver.stream_destroy(streams[i]));
        buffers_close(&b[i]);
    }
}

static void forward_then_backward_on_a_stream(void) {
    buffers b = buffers_open(x, y);
    void* stream = NULL;
    CHECK_DRIVER(driver.stream_create(&stream, STREAM_NON_BLOCKING));
    CHECK_OK(fssim_forward_stream(pointer(b.img1), pointer(b.img2), N, C, H, W, &b.options, pointer(b.ssim),
                                  pointer(b.saved), pointer(b.workspace), b.workspace_bytes, stream));
    CHECK_OK(fssim_backward_stream(pointer(b.img1), pointer(b.img2), N, C, H, W, &b.options, pointer(b.saved), NULL,
                                   pointer(b.grad1), pointer(b.grad2), pointer(b.workspace), b.workspace_bytes,
                                   stream));
    CHECK_DRIVER(driver.stream_synchronize(stream));
    check_results(&b);
    CHECK_DRIVER(driver.stream_destroy(stream));
    buffers_close(&b);
}

static void the_default_stream(void) {
    buffers b = buffers_open(x, y);
    CHECK_OK(value_and_grad_on(&b, NULL));
    CHECK_DRIVER(driver.context_synchronize());
    check_results(&b);
    buffers_close(&b);
}

static void a_captured_graph(void) {
    buffers b = buffers_open(y, y);
    void *stream = NULL, *graph = NULL, *executable = NULL;
    CHECK_OK(fssim_cuda_preload(0));
    CHECK_DRIVER(driver.stream_create(&stream, STREAM_NON_BLOCKING));
    CHECK_DRIVER(driver.capture_begin(stream, CAPTURE_RELAXED));
    CHECK_OK(value_and_grad_on(&b, stream));
    CHECK_DRIVER(driver.capture_end(stream, &graph));
    CHECK_DRIVER(driver.graph_instantiate(&executable, graph, 0));
    CHECK(download_ssim(&b) != download_ssim(&b));    // still NaN: capturing does not run

    CHECK_DRIVER(driver.graph_launch(executable, stream));
    CHECK_DRIVER(driver.stream_synchronize(stream));
    CHECK_NEAR(download_ssim(&b), 1.0, value_tolerance);
    // The graph reads what its memory holds when it is launched, not when it was captured.
    CHECK_DRIVER(driver_upload(&driver, b.img1, x, sizeof x));
    for (int replay = 0; replay < 3; replay++) {
        poison(&b);
        CHECK_DRIVER(driver.graph_launch(executable, stream));
        CHECK_DRIVER(driver.stream_synchronize(stream));
        check_results(&b);
    }
    CHECK_DRIVER(driver.graph_exec_destroy(executable));
    CHECK_DRIVER(driver.graph_destroy(graph));
    CHECK_DRIVER(driver.stream_destroy(stream));
    buffers_close(&b);
}

static void channels_last_on_the_device(void) {
    static float img1[PIXELS], img2[PIXELS], gradient[PIXELS];
    static double expected[PIXELS];
    for (int n = 0; n < N; n++) {
        for (int c = 0; c < C; c++) {
            for (int i = 0; i < H * W; i++) {
                int from = (n * C + c) * H * W + i, to = (n * H * W + i) * C + c;
                img1[to] = x[from];
                img2[to] = y[from];
                expected[to] = expected_grad1[from];
            }
        }
    }
    buffers b = buffers_open(img1, img2);
    fssim_layout nhwc = {FSSIM_DTYPE_F32, 0, 0.0, H * W * C, 1, W * C, C};
    b.options.img1 = b.options.img2 = b.options.grad_img1 = nhwc;
    CHECK_OK(fssim_value_and_grad(pointer(b.img1), pointer(b.img2), N, C, H, W, &b.options, pointer(b.ssim),
                                  pointer(b.grad1), NULL));
    CHECK_NEAR(download_ssim(&b), expected_ssim, value_tolerance);
    CHECK_DRIVER(driver.download(gradient, b.grad1, sizeof gradient));
    CHECK_NEAR(reference_distance(gradient, expected, PIXELS), 0, gradient_tolerance);
    buffers_close(&b);
}

static void repeated_calls_give_the_same_bits(void) {
    buffers b = buffers_open(x, y);
    static float first[PIXELS], again[PIXELS];
    for (int i = 0; i < REPEATS; i++) {
        poison(&b);
        CHECK_OK(value_and_grad_on(&b, NULL));
        CHECK_DRIVER(driver.context_synchronize());
        CHECK_DRIVER(driver.download(i == 0 ? first : again, b.grad1, sizeof first));
        static float ssim;
        if (i == 0) ssim = download_ssim(&b);
        CHECK(download_ssim(&b) == ssim && (i == 0 || memcmp(first, again, sizeof first) == 0));
    }
    buffers_close(&b);
}

static void* computes_on_a_stream_of_its_own(void* argument) {
    buffers* b = (buffers*)argument;
    void* stream = NULL;
    // This thread has no current context. The library needs none; creating a stream does.
    void* context = NULL;
    if (driver.context_retain(&context, 0) != 0 || driver.context_set(context) != 0) return (void*)"no context";
    if (driver.stream_create(&stream, STREAM_NON_BLOCKING) != 0) return (void*)"no stream";
    if (driver.context_set(NULL) != 0) return (void*)"the context could not be set aside";
    for (int i = 0; i < 5; i++)
        if (value_and_grad_on(b, stream) != FSSIM_OK) return (void*)"a call failed";
    if (driver.context_set(context) != 0 || driver.stream_synchronize(stream) != 0) return (void*)"the stream failed";
    if (driver.stream_destroy(stream) != 0 || driver.context_release(0) != 0) return (void*)"cleaning up failed";
    return NULL;
}

static void threads_without_a_current_context(void) {
    buffers b[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) b[i] = buffers_open(x, y);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, computes_on_a_stream_of_its_own, &b[i]) == 0);
    for (int i = 0; i < THREADS; i++) {
        void* complaint = NULL;
        CHECK(pthread_join(threads[i], &complaint) == 0);
        if (complaint != NULL && check_failed(__FILE__, __LINE__)) printf("thread %d: %s\n", i, (const char*)complaint);
        check_results(&b[i]);
        buffers_close(&b[i]);
    }
}

int main(void) {
    reference_images(PIXELS, W, x, y);
    reference_problem p = reference_defaults(N, C, H, W);
    static double map[PIXELS];
    reference_map(&p, x, y, map);
    reference_reduce(&p, FSSIM_REDUCTION_MEAN, map, &expected_ssim);
    reference_gradient(&p, FSSIM_REDUCTION_MEAN, NULL, x, y, expected_grad1);
    reference_gradient(&p, FSSIM_REDUCTION_MEAN, NULL, y, x, expected_grad2);
    if (!driver_present()) {
        printf("skipped: device memory, streams, graphs: no CUDA driver (libcuda.so.1)\n");
        return 0;
    }
    driver = driver_open();
    RUN(plain_calls);
    RUN(two_streams);
    RUN(forward_then_backward_on_a_stream);
    RUN(the_default_stream);
    RUN(a_captured_graph);
    RUN(channels_last_on_the_device);
    RUN(repeated_calls_give_the_same_bits);
    RUN(threads_without_a_current_context);
    return finish();
}
