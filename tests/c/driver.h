// The CUDA driver as a test program needs it: found at run time, declared here, so that no CUDA header is wanted.
// Only what the library's callers do anyway: memory, copies, streams, graphs.
#ifndef FSSIM_TESTS_DRIVER_H
#define FSSIM_TESTS_DRIVER_H

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int32_t driver_result;
typedef uint64_t device_pointer;

// Member, symbol and arguments of every driver function used by the tests. The _v2 names are the ABI behind the
// documented ones.
#define DRIVER_FUNCTIONS(F)                                                                                            \
    F(init, cuInit, (unsigned flags))                                                                                  \
    F(device_count, cuDeviceGetCount, (int* count))                                                                    \
    F(device_get, cuDeviceGet, (int* device, int ordinal))                                                             \
    F(context_retain, cuDevicePrimaryCtxRetain, (void** context, int device))                                          \
    F(context_release, cuDevicePrimaryCtxRelease_v2, (int device))                                                     \
    F(context_set, cuCtxSetCurrent, (void* context))                                                                   \
    F(context_synchronize, cuCtxSynchronize, (void))                                                                   \
    F(allocate, cuMemAlloc_v2, (device_pointer * address, size_t bytes))                                               \
    F(release, cuMemFree_v2, (device_pointer address))                                                                 \
    F(upload, cuMemcpyHtoD_v2, (device_pointer to, const void* from, size_t bytes))                                    \
    F(download, cuMemcpyDtoH_v2, (void* to, device_pointer from, size_t bytes))                                        \
    F(stream_create, cuStreamCreate, (void** stream, unsigned flags))                                                  \
    F(stream_synchronize, cuStreamSynchronize, (void* stream))                                                         \
    F(stream_destroy, cuStreamDestroy_v2, (void* stream))                                                              \
    F(capture_begin, cuStreamBeginCapture_v2, (void* stream, int mode))                                                \
    F(capture_end, cuStreamEndCapture, (void* stream, void** graph))                                                   \
    F(graph_instantiate, cuGraphInstantiateWithFlags, (void** exec, void* graph, uint64_t flags))                      \
    F(graph_launch, cuGraphLaunch, (void* exec, void* stream))                                                         \
    F(graph_exec_destroy, cuGraphExecDestroy, (void* exec))                                                            \
    F(graph_destroy, cuGraphDestroy, (void* graph))

enum { STREAM_NON_BLOCKING = 1, CAPTURE_RELAXED = 2 };

typedef struct {
#define DRIVER_MEMBER(member, symbol, arguments) driver_result(*member) arguments;
    DRIVER_FUNCTIONS(DRIVER_MEMBER)
#undef DRIVER_MEMBER
} driver_functions;

static inline void* driver_library(void) { return dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL); }

static inline int driver_present(void) { return driver_library() != NULL; }

// Loads the driver and makes device 0's primary context current; ends the program when that cannot be done. Call only
// where driver_present().
static inline driver_functions driver_open(void) {
    driver_functions d;
    void* library = driver_library();
#define DRIVER_LOAD(member, symbol, arguments)                                                                         \
    {                                                                                                                  \
        void* address = library ? dlsym(library, #symbol) : NULL;                                                      \
        if (address == NULL) {                                                                                         \
            fprintf(stderr, "the driver has no %s\n", #symbol);                                                        \
            exit(2);                                                                                                   \
        }                                                                                                              \
        memcpy(&d.member, &address, sizeof address);                                                                   \
    }
    DRIVER_FUNCTIONS(DRIVER_LOAD)
#undef DRIVER_LOAD
    int device = -1;
    void* context = NULL;
    if (d.init(0) != 0 || d.device_get(&device, 0) != 0 || d.context_retain(&context, device) != 0 ||
        d.context_set(context) != 0) {
        fprintf(stderr, "device 0 cannot be used\n");
        exit(2);
    }
    return d;
}

// Copies to the device and waits: the call alone returns once the source has been read, and a stream that does not wait for
// the default stream could start before the data has arrived.
static inline driver_result driver_upload(const driver_functions* d, device_pointer to, const void* from,
                                          size_t bytes) {
    driver_result result = d->upload(to, from, bytes);
    return result != 0 ? result : d->stream_synchronize(NULL);
}

#endif
