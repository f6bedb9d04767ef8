// The driver side: contexts, memory, copies, streams, events, libraries, launch limits.
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <thread>

#include <sys/wait.h>

#include "support.h"

namespace {

void not_initialised() {
    int count = 0, version = 0;
    CHECK_CALL(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&count));
    OK(cuDriverGetVersion(&version));
    CHECK(version == 12080);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuInit(1));
    OK(cuInit(0));
    OK(cuDeviceGetCount(&count));
    CHECK(count == 2);
}

void devices() {
    int device = -1, value = 0;
    char name[32];
    OK(cuDeviceGet(&device, 1));
    CHECK_CALL(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, 2));
    OK(cuDeviceGetName(name, sizeof name, 1));
    CHECK(std::string(name) == "Emulated GPU 1");
    OK(cuDeviceGetAttribute(&value, 75, 0));
    CHECK(value == 9);
    OK(cuDeviceGetAttribute(&value, 16, 0));
    CHECK(value == 4);
    OK(cuDeviceGetAttribute(&value, 97, 0));
    CHECK(value == 227 * 1024);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&value, 0, 0));
}

void contexts() {
    CUcontext first = nullptr, second = nullptr, current = nullptr, created = nullptr;
    int device = -1, active = -1;
    unsigned flags = 0;
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuCtxGetDevice(&device));
    CUdeviceptr address = 0;
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&address, 4));
    OK(cuDevicePrimaryCtxRetain(&first, 1));
    OK(cuDevicePrimaryCtxRetain(&second, 1));
    CHECK(first == second);
    OK(cuDevicePrimaryCtxGetState(1, &flags, &active));
    CHECK(active == 1);
    OK(cuCtxGetCurrent(&current));
    CHECK(current == nullptr);
    OK(cuCtxPushCurrent_v2(first));
    OK(cuCtxGetDevice(&device));
    CHECK(device == 1);
    OK(cuCtxCreate_v2(&created, 0, 0));
    OK(cuCtxGetDevice(&device));
    CHECK(device == 0);
    // Another thread has a stack of its own.
    std::thread([&] {
        CUcontext other = first;
        OK(cuCtxGetCurrent(&other));
        CHECK(other == nullptr);
        OK(cuCtxSetCurrent(first));
        OK(cuCtxSetCurrent(nullptr));
        OK(cuCtxGetCurrent(&other));
        CHECK(other == nullptr);
    }).join();
    OK(cuCtxDestroy_v2(created));
    OK(cuCtxGetCurrent(&current));
    CHECK(current == first);
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuCtxPushCurrent_v2(created));
    OK(cuMemAlloc_v2(&address, 4));
    OK(cuDevicePrimaryCtxRelease_v2(1));
    OK(cuDevicePrimaryCtxRelease_v2(1));
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(1));
    CHECK_CALL(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemFree_v2(address));
    // It comes back with the same handle, and without the memory.
    OK(cuDevicePrimaryCtxRetain(&second, 1));
    CHECK(first == second);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(address));
    OK(cuDevicePrimaryCtxRelease_v2(1));
    OK(cuCtxPopCurrent_v2(&current));
    CHECK(current == first);
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent_v2(&current));
}

void pointer_attributes() {
    Session session;
    const Buffer buffer(100);
    CUdeviceptr managed = 0;
    void* pinned = nullptr;
    OK(cuMemAllocManaged(&managed, 64, 1));
    OK(cuMemAllocHost_v2(&pinned, 64));
    unsigned type = 9, is_managed = 9;
    int ordinal = 9;
    CUcontext context = nullptr;
    OK(cuPointerGetAttribute(&type, 2, buffer.address + 396));
    CHECK(type == MEMORY_DEVICE);
    OK(cuPointerGetAttribute(&context, 1, buffer.address));
    CHECK(context == session.context);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, 2, buffer.address + 400));
    int local = 0;
    const CUdeviceptr stack = reinterpret_cast<CUdeviceptr>(&local);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, 2, stack));
    const int attributes[] = {2, 8, 9};
    void* const values[] = {&type, &is_managed, &ordinal};
    OK(cuPointerGetAttributes(3, attributes, values, managed));
    CHECK(type == MEMORY_DEVICE && is_managed == 1 && ordinal == 0);
    OK(cuPointerGetAttributes(3, attributes, values, reinterpret_cast<CUdeviceptr>(pinned)));
    CHECK(type == MEMORY_HOST && is_managed == 0 && ordinal == 0);
    OK(cuPointerGetAttributes(3, attributes, values, stack));
    CHECK(type == 0 && is_managed == 0 && ordinal == -2);
    // Both may be touched from here.
    *reinterpret_cast<volatile int*>(managed) = 1;
    *static_cast<volatile int*>(pinned) = 1;
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(reinterpret_cast<CUdeviceptr>(pinned)));
    OK(cuMemFree_v2(managed));
    OK(cuMemFreeHost(pinned));
}

void memory() {
    Session session;
    std::size_t free_bytes = 0, total = 0, after = 0;
    OK(cuMemGetInfo_v2(&free_bytes, &total));
    CUdeviceptr a = 0, b = 0;
    OK(cuMemAlloc_v2(&a, 1000));
    CHECK(a % 256 == 0);
    OK(cuMemGetInfo_v2(&after, &total));
    CHECK(free_bytes - after == 1000);
    CHECK_CALL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&b, total));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemAlloc_v2(&b, 0));
    float nan[4] = {};
    OK(cuMemcpyDtoH_v2(nan, a, sizeof nan));
    CHECK(std::isnan(nan[0]) && std::isnan(nan[3]));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(nan, a + 1000 - sizeof nan + 1, sizeof nan));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(a + 256));
    OK(cuMemFree_v2(a));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(a));
    // A freed address does not come back at once.
    OK(cuMemAlloc_v2(&b, 1000));
    CHECK(a != b);
    OK(cuMemFree_v2(b));
    for (int i = 0; i < 3000; i++) {
        OK(cuMemAlloc_v2(&b, 100u << i % 12));
        OK(cuMemFree_v2(b));
    }
}

void copies() {
    Session session;
    const Buffer from(ramp(1000)), to(1000);
    OK(cuMemcpyDtoD_v2(to.address, from.address, 4000));
    CHECK(to.read() == ramp(1000));
    OK(cuMemsetD8_v2(to.address + 4, 0, 8));
    const std::vector<float> read = to.read();
    CHECK(read[0] == 0 && read[1] == 0 && read[2] == 0 && read[3] == 3);
    CUstream stream = nullptr;
    OK(cuStreamCreate(&stream, STREAM_NON_BLOCKING));
    // Pageable memory may be used again as soon as the call returns.
    std::vector<float> host = ramp(1000, 7.0f);
    OK(cuMemcpyHtoDAsync_v2(to.address, host.data(), 4000, stream));
    std::fill(host.begin(), host.end(), -1.0f);
    OK(cuMemcpyDtoHAsync_v2(host.data(), to.address, 4000, stream));
    CHECK(host == ramp(1000, 7.0f));
    OK(cuStreamDestroy_v2(stream));
    CHECK_CALL(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(stream));
}

struct Gate {
    std::atomic<bool> open = false;
    static void wait(void* gate) {
        while (!static_cast<Gate*>(gate)->open) usleep(100);
    }
};

// Work runs later, in the order of its stream, and not at all in that of others.
void streams_are_asynchronous() {
    Session session;
    const Buffer from(ramp(256)), to(std::vector<float>(256, -1.0f));
    void* pinned = nullptr;
    OK(cuMemAllocHost_v2(&pinned, 1024));
    float* const result = static_cast<float*>(pinned);
    std::fill(result, result + 256, -2.0f);
    CUstream first = nullptr, second = nullptr;
    OK(cuStreamCreate(&first, STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&second, STREAM_NON_BLOCKING));
    Gate gate;
    OK(cuLaunchHostFunc(first, Gate::wait, &gate));
    OK(launch(session.kernel({"test_reverse"}), 1, 256, 0, first, Vectors{to.device(), from.device(), 256, 0}));
    OK(cuMemcpyDtoHAsync_v2(result, to.address, 1024, first));
    CHECK_CALL(CUDA_ERROR_NOT_READY, cuStreamQuery(first));
    CHECK(result[0] == -2.0f);
    // The missing dependency shows: this stream overtakes.
    float early[256];
    OK(cuMemcpyDtoHAsync_v2(early, to.address, 1024, second));
    CHECK(early[0] == -1.0f);
    gate.open = true;
    OK(cuStreamSynchronize(first));
    OK(cuStreamQuery(first));
    CHECK(result[0] == 255.0f);
    OK(cuStreamDestroy_v2(first));
    OK(cuStreamDestroy_v2(second));
    OK(cuMemFreeHost(pinned));
}

// An event makes one stream wait for another; so does the legacy stream, for blocking ones.
void events_and_the_legacy_stream() {
    Session session;
    const CUkernel kernel = session.kernel({"test_reverse"});
    for (const bool through_event : {true, false}) {
        const Buffer from(ramp(256)), to(std::vector<float>(256, -1.0f)), last(256);
        const unsigned flags = through_event ? unsigned{STREAM_NON_BLOCKING} : 0;
        CUstream first = nullptr, second = nullptr;
        CUevent event = nullptr;
        OK(cuStreamCreate(&first, flags));
        OK(cuStreamCreate(&second, flags));
        OK(cuEventCreate(&event, 0));
        OK(cuEventQuery(event));
        Gate gate;
        OK(cuLaunchHostFunc(first, Gate::wait, &gate));
        OK(launch(kernel, 1, 256, 0, first, Vectors{to.device(), from.device(), 256, 0}));
        if (through_event) {
            OK(cuEventRecord(event, first));
            CHECK_CALL(CUDA_ERROR_NOT_READY, cuEventQuery(event));
            OK(cuStreamWaitEvent(second, event, 0));
        } else {
            OK(cuMemsetD8_v2(from.address, 0, 4));
        }
        OK(launch(kernel, 1, 256, 0, second, Vectors{last.device(), to.device(), 256, 0}));
        gate.open = true;
        OK(cuStreamSynchronize(second));
        CHECK(last.read() == ramp(256));
        if (through_event) OK(cuEventSynchronize(event));
        OK(cuEventDestroy_v2(event));
        OK(cuStreamDestroy_v2(first));
        OK(cuStreamDestroy_v2(second));
    }
}

void event_times() {
    Session session;
    const Buffer in(ramp(256)), out(256);
    CUevent start = nullptr, end = nullptr, untimed = nullptr;
    OK(cuEventCreate(&start, 0));
    OK(cuEventCreate(&end, 0));
    OK(cuEventCreate(&untimed, EVENT_DISABLE_TIMING));
    float milliseconds = -1;
    CHECK_CALL(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&milliseconds, start, end));
    OK(cuEventRecord(start, nullptr));
    OK(launch(session.kernel({"test_slow"}), 1, 256, 0, nullptr, Vectors{out.device(), in.device(), 256, 10000}));
    OK(cuEventRecord(end, nullptr));
    OK(cuEventRecord(untimed, nullptr));
    OK(cuEventSynchronize(end));
    OK(cuEventElapsedTime(&milliseconds, start, end));
    CHECK(milliseconds > 0.01f && milliseconds < 10000.0f);
    CHECK_CALL(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&milliseconds, start, untimed));
    for (const CUevent event : {start, end, untimed}) OK(cuEventDestroy_v2(event));
}

void libraries() {
    Session session;
    CUlibrary library = nullptr;
    CUkernel kernel = nullptr;
    char log[200] = "";
    unsigned options[] = {5, 6};
    void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
    CHECK_CALL(CUDA_ERROR_INVALID_IMAGE,
               cuLibraryLoadData(&library, "nonsense", nullptr, nullptr, 0, nullptr, nullptr, 0));
    // An ELF file, but of no machine.
    const char elf[64] = "\177ELF\2";
    CHECK_CALL(CUDA_ERROR_INVALID_IMAGE, cuLibraryLoadData(&library, elf, nullptr, nullptr, 0, nullptr, nullptr, 0));
    CHECK_CALL(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, cuLibraryLoadData(&library, ptx({{"test_sum"}}, "9.0").c_str(),
                                                                     options, values, 2, nullptr, nullptr, 0));
    CHECK(std::strstr(log, "Unsupported .version 9.0") != nullptr);
    const std::string text = ptx({{"test_sum", 24, 16, 128}, {"not_compiled"}, {"test_reverse", 32}});
    OK(cuLibraryLoadData(&library, text.c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0));
    CHECK_CALL(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&kernel, library, "test_warp"));
    CHECK_CALL(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&kernel, library, "not_compiled"));
    // The PTX and the source disagree about the parameters.
    CHECK_CALL(CUDA_ERROR_INVALID_IMAGE, cuLibraryGetKernel(&kernel, library, "test_reverse"));
    OK(cuLibraryGetKernel(&kernel, library, "test_sum"));
    CUfunction function = nullptr;
    OK(cuKernelGetFunction(&function, kernel));
    int value = 0;
    OK(cuKernelGetAttribute(&value, 1, kernel, 0));
    CHECK(value == 16);
    OK(cuFuncGetAttribute(&value, 0, function));
    CHECK(value == 128);
    OK(cuLibraryUnload(library));
    CHECK_CALL(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(library));
    OK(cuLibraryLoadData(&library, ptx({{"test_sum"}}, "8.0", 100).c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0));
    OK(cuLibraryGetKernel(&kernel, library, "test_sum"));
    CHECK_CALL(CUDA_ERROR_NO_BINARY_FOR_GPU, cuKernelGetFunction(&function, kernel));
    OK(cuLibraryUnload(library));
}

void launch_limits() {
    Session session;
    const Buffer in(ramp(4096)), out(4096);
    const Vectors params = {out.device(), in.device(), 4096, 0};
    const CUkernel kernel = session.kernel({"test_large_static", 24, 16384, 512});
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, launch(kernel, 0, 32, 0, nullptr, params));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, launch(kernel, 1, 1025, 0, nullptr, params));
    CHECK_CALL(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, launch(kernel, 1, 1024, 0, nullptr, params));
    void* arguments[] = {const_cast<Vectors*>(&params)};
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(kernel, 1, 65536, 1, 32, 1, 1, 0, nullptr, arguments, nullptr));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 65, 0, nullptr, arguments, nullptr));
    // 48 KiB of shared memory, static included, unless the kernel opts in to more.
    OK(launch(kernel, 1, 32, 32768, nullptr, params));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, launch(kernel, 1, 32, 32772, nullptr, params));
    OK(cuKernelSetAttribute(8, 100 * 1024, kernel, 0));
    OK(launch(kernel, 1, 32, 100 * 1024, nullptr, params));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, launch(kernel, 1, 32, 100 * 1024 + 4, nullptr, params));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuKernelSetAttribute(8, 220 * 1024, kernel, 0));
    int blocks = -1;
    OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, 256, 50 * 1024));
    CHECK(blocks == 3);
    OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, 512, 0));
    CHECK(blocks == 2);
    OK(cuCtxSynchronize());
}

// On a stream of its own a kernel starts without a current context, as on a real device; on the default stream it does not.
void launch_without_a_context() {
    CUcontext popped = nullptr;
    CUstream stream = nullptr;
    Session session;
    const CUkernel kernel = session.kernel({"test_reverse"});
    const Buffer in(ramp(256)), out(256);
    OK(cuStreamCreate(&stream, 0));
    OK(cuCtxPopCurrent_v2(&popped));
    const Vectors params = {out.device(), in.device(), 256, 0};
    OK(launch(kernel, 1, 256, 0, stream, params));
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, launch(kernel, 1, 256, 0, nullptr, params));
    CUcontext owner = nullptr;
    OK(cuStreamGetCtx(stream, &owner));
    CHECK(owner == popped);
    CHECK_CALL(CUDA_ERROR_INVALID_CONTEXT, cuStreamGetCtx(nullptr, &owner));
    OK(cuCtxPushCurrent_v2(popped));
    OK(cuStreamSynchronize(stream));
    CHECK(out.read()[0] == 255);
    OK(cuStreamDestroy_v2(stream));
}

// A kernel that gets memory of another device faults, and the fault sticks.
void memory_of_another_device() {
    Session one(1);
    const Buffer foreign(ramp(256));
    {
        Session session;
        const Buffer out(256);
        OK(launch(session.kernel({"test_reverse"}), 1, 256, 0, nullptr,
                  Vectors{out.device(), foreign.device(), 256, 0}));
        CHECK_CALL(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
        CHECK_CALL(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
        cuEmuFail(nullptr);
        OK(cuCtxSynchronize());
    }
}

void many_threads() {
    Session session;
    const CUkernel kernel = session.kernel({"test_reverse"});
    std::vector<std::thread> threads;
    std::atomic<int> wrong = 0;
    for (int t = 0; t < 8; t++)
        threads.emplace_back([&, t] {
            CUstream stream = nullptr;
            wrong += cuCtxSetCurrent(session.context) != CUDA_SUCCESS;
            wrong += cuStreamCreate(&stream, STREAM_NON_BLOCKING) != CUDA_SUCCESS;
            for (int i = 0; i < 20; i++) {
                CUdeviceptr in = 0, out = 0;
                std::vector<float> host = ramp(512, static_cast<float>(t));
                wrong += cuMemAlloc_v2(&in, 2048) != CUDA_SUCCESS;
                wrong += cuMemAlloc_v2(&out, 2048) != CUDA_SUCCESS;
                wrong += cuMemcpyHtoDAsync_v2(in, host.data(), 2048, stream) != CUDA_SUCCESS;
                const Vectors params = {reinterpret_cast<float*>(out), reinterpret_cast<float*>(in), 512, 0};
                wrong += launch(kernel, 2, 256, 0, stream, params) != CUDA_SUCCESS;
                wrong += cuMemcpyDtoHAsync_v2(host.data(), out, 2048, stream) != CUDA_SUCCESS;
                wrong += host[0] != static_cast<float>(t + 255) || host[511] != static_cast<float>(t + 256);
                wrong += cuMemFree_v2(in) != CUDA_SUCCESS;
                wrong += cuMemFree_v2(out) != CUDA_SUCCESS;
            }
            wrong += cuStreamDestroy_v2(stream) != CUDA_SUCCESS;
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

void after_fork() {
    const pid_t child = fork();
    if (child == 0) {
        int count = 0;
        _exit(cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED && cuInit(0) == CUDA_ERROR_NOT_INITIALIZED ? 0
                                                                                                                : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
}

void names_and_addresses() {
    const char* text = nullptr;
    OK(cuGetErrorName(719, &text));
    CHECK(std::string(text) == "CUDA_ERROR_LAUNCH_FAILED");
    OK(cuGetErrorString(222, &text));
    CHECK(std::strstr(text, "unsupported toolchain") != nullptr);
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuGetErrorName(12345, &text));
    void* function = nullptr;
    int status = -1;
    OK(cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, &status));
    CHECK(function == reinterpret_cast<void*>(&cuMemAlloc_v2) && status == 0);
    CHECK_CALL(CUDA_ERROR_NOT_FOUND, cuGetProcAddress_v2("cuNoSuchCall", &function, 12000, 0, &status));
}

// The last test: everything was given back.
void nothing_leaked() {
    cuEmuCounts counts;
    cuEmuCounters(&counts);
    CHECK(counts.contexts == 0 && counts.primary_references == 0 && counts.streams == 0 && counts.events == 0);
    CHECK(counts.graphs == 0 && counts.libraries == 0 && counts.device_allocations == 0 &&
          counts.host_allocations == 0);
    CHECK(counts.calls > 100 && counts.launches > 10 && counts.blocks > counts.launches);
}

}    // namespace

int main(int argc, char** argv) {
    return run_tests({{"driver: not initialised", not_initialised},
                      {"driver: devices", devices},
                      {"driver: contexts", contexts},
                      {"driver: pointer attributes", pointer_attributes},
                      {"driver: memory", memory},
                      {"driver: copies", copies},
                      {"driver: streams are asynchronous", streams_are_asynchronous},
                      {"driver: events and the legacy stream", events_and_the_legacy_stream},
                      {"driver: event times", event_times},
                      {"driver: libraries", libraries},
                      {"driver: launch limits", launch_limits},
                      {"driver: launch without a context", launch_without_a_context},
                      {"driver: memory of another device", memory_of_another_device},
                      {"driver: many threads", many_threads},
                      {"driver: after fork", after_fork},
                      {"driver: names and addresses", names_and_addresses},
                      {"driver: nothing leaked", nothing_leaked}},
                     argc, argv);
}
