// Mistakes that only calls on device memory can see. Nothing is enqueued, so nothing is written.
#include "check.h"
#include "driver.h"

enum { N = 1, C = 2, H = 16, W = 16, PIXELS = N * C * H * W, FLOATS = 8 * PIXELS };

static driver_functions driver;

// One block of device memory, cut up; the host's copy tells whether anything in it was written.
typedef struct {
    device_pointer memory, img1, img2, ssim, grad1, grad2;
    float copy[FLOATS];
    void* workspace;
    size_t workspace_bytes;
    void* stream;
    fssim_options options;
    float host[PIXELS];
} call;

static void* pointer(device_pointer address) { return (void*)(uintptr_t)address; }

static call k;

static void open_call(void) {
    for (int i = 0; i < FLOATS; i++) k.copy[i] = (float)(i % 101) / 101.0f;
    CHECK(driver.allocate(&k.memory, sizeof k.copy) == 0);
    CHECK(driver_upload(&driver, k.memory, k.copy, sizeof k.copy) == 0);
    k.img1 = k.memory;
    k.img2 = k.memory + 4 * PIXELS;
    k.ssim = k.memory + 8 * PIXELS;
    k.grad1 = k.memory + 12 * PIXELS;
    k.grad2 = k.memory + 16 * PIXELS;
    CHECK_OK(fssim_options_init(&k.options, sizeof k.options));
    CHECK_OK(fssim_workspace_size(N, C, H, W, &k.options, &k.workspace_bytes));
    device_pointer workspace = 0;
    CHECK(driver.allocate(&workspace, k.workspace_bytes + 64) == 0);
    k.workspace = pointer(workspace);
    k.stream = NULL;
}

static void close_call(device_pointer workspace) {
    static float now[FLOATS];
    CHECK(driver.context_synchronize() == 0);
    CHECK(driver.download(now, k.memory, sizeof now) == 0);
    CHECK(memcmp(now, k.copy, sizeof now) == 0);
    CHECK(driver.release(k.memory) == 0);
    CHECK(driver.release(workspace) == 0);
}

static fssim_status run(void) {
    return fssim_value_and_grad_stream(pointer(k.img1), pointer(k.img2), N, C, H, W, &k.options, pointer(k.ssim),
                                       pointer(k.grad1), pointer(k.grad2), k.workspace, k.workspace_bytes, k.stream);
}

#define MISTAKE(name, status, word, ...)                                                                               \
    static void name(void) {                                                                                           \
        open_call();                                                                                                   \
        device_pointer workspace = (device_pointer)(uintptr_t)k.workspace;                                             \
        __VA_ARGS__;                                                                                                   \
        CHECK_STATUS(run(), status);                                                                                   \
        CHECK_MENTIONS(fssim_last_error(), word);                                                                      \
        close_call(workspace);                                                                                         \
    }

static device_pointer host_address(void) { return (device_pointer)(uintptr_t)k.host; }

MISTAKE(workspace_null, FSSIM_ERROR_WORKSPACE, "workspace", k.workspace = NULL)
MISTAKE(workspace_one_byte_short, FSSIM_ERROR_WORKSPACE, "workspace", k.workspace_bytes -= 1)
MISTAKE(workspace_empty, FSSIM_ERROR_WORKSPACE, "workspace", k.workspace_bytes = 0)
MISTAKE(workspace_misaligned, FSSIM_ERROR_ALIGNMENT, "workspace", k.workspace = pointer(workspace + 4))
MISTAKE(workspace_in_a_gradient, FSSIM_ERROR_OVERLAP, "workspace", k.workspace = pointer(k.grad1))
MISTAKE(workspace_on_the_host, FSSIM_ERROR_DEVICE, "workspace", k.workspace = pointer(host_address() / 16 * 16 + 16))
MISTAKE(img1_on_the_host, FSSIM_ERROR_DEVICE, "img1", k.img1 = host_address())
MISTAKE(img2_on_the_host, FSSIM_ERROR_DEVICE, "img2", k.img2 = host_address())
MISTAKE(ssim_on_the_host, FSSIM_ERROR_DEVICE, "ssim", k.ssim = host_address())
MISTAKE(grad_img1_on_the_host, FSSIM_ERROR_DEVICE, "grad_img1", k.grad1 = host_address())
MISTAKE(grad_img2_on_the_host, FSSIM_ERROR_DEVICE, "grad_img2", k.grad2 = host_address())
MISTAKE(device_memory_on_the_cpu, FSSIM_ERROR_DEVICE, "img1", k.options.device = FSSIM_DEVICE_CPU)
MISTAKE(img1_on_the_host_with_cuda, FSSIM_ERROR_DEVICE, "img1", k.options.device = FSSIM_DEVICE_CUDA;
        k.img1 = host_address())
MISTAKE(overlap_before_device, FSSIM_ERROR_OVERLAP, "grad_img2", k.grad1 = k.grad2; k.img1 = host_address())
MISTAKE(device_before_workspace, FSSIM_ERROR_DEVICE, "img1", k.img1 = host_address(); k.workspace = NULL)

static void a_stream_of_another_device(void) {
    int count = 0, device = -1;
    CHECK(driver.device_count(&count) == 0);
    if (count < 2) SKIP("one CUDA device only");
    void *other = NULL, *first = NULL, *stream = NULL;
    CHECK(driver.device_get(&device, 1) == 0 && driver.context_retain(&other, device) == 0);
    CHECK(driver.context_set(other) == 0 && driver.stream_create(&stream, STREAM_NON_BLOCKING) == 0);
    CHECK(driver.device_get(&device, 0) == 0 && driver.context_retain(&first, device) == 0);
    CHECK(driver.context_set(first) == 0);
    open_call();
    device_pointer workspace = (device_pointer)(uintptr_t)k.workspace;
    k.stream = stream;
    CHECK_STATUS(run(), FSSIM_ERROR_STREAM);
    CHECK_MENTIONS(fssim_last_error(), "stream");
    // Of two mistakes, the stream is reported before the workspace.
    k.workspace = NULL;
    CHECK_STATUS(run(), FSSIM_ERROR_STREAM);
    close_call(workspace);
    CHECK(driver.stream_destroy(stream) == 0);
}

int main(void) {
    if (!driver_present()) {
        printf("skipped: mistakes on device memory: no CUDA driver (libcuda.so.1)\n");
        return 0;
    }
    driver = driver_open();
    RUN(workspace_null);
    RUN(workspace_one_byte_short);
    RUN(workspace_empty);
    RUN(workspace_misaligned);
    RUN(workspace_in_a_gradient);
    RUN(workspace_on_the_host);
    RUN(img1_on_the_host);
    RUN(img2_on_the_host);
    RUN(ssim_on_the_host);
    RUN(grad_img1_on_the_host);
    RUN(grad_img2_on_the_host);
    RUN(device_memory_on_the_cpu);
    RUN(img1_on_the_host_with_cuda);
    RUN(overlap_before_device);
    RUN(device_before_workspace);
    RUN(a_stream_of_another_device);
    return finish();
}
