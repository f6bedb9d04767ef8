// A few lines of test framework, and a session with the driver.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "cuda.h"
#include "params.cuh"

inline int failures_of_test;

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            failures_of_test++;                                                                                        \
            std::printf("    %s:%d: CHECK(%s)\n", __FILE__, __LINE__, #condition);                                     \
        }                                                                                                              \
    } while (false)

#define CHECK_CALL(expected, expression)                                                                               \
    do {                                                                                                               \
        const CUresult result_ = (expression);                                                                         \
        if (result_ != (expected)) {                                                                                   \
            failures_of_test++;                                                                                        \
            std::printf("    %s:%d: %s gives %u, not %u\n", __FILE__, __LINE__, #expression, result_, expected);       \
        }                                                                                                              \
    } while (false)

#define OK(expression) CHECK_CALL(CUDA_SUCCESS, expression)

struct Test {
    const char* name;
    std::function<void()> run;
};

// Runs the tests whose name contains the first argument. Returns the exit status.
inline int run_tests(const std::vector<Test>& tests, int argc, char** argv) {
    int failed = 0, ran = 0;
    for (const Test& test : tests) {
        if (argc > 1 && std::strstr(test.name, argv[1]) == nullptr) continue;
        failures_of_test = 0;
        test.run();
        ran++;
        failed += failures_of_test != 0;
        std::printf("%s %s\n", failures_of_test == 0 ? "ok  " : "FAIL", test.name);
        std::fflush(stdout);
    }
    std::printf("%d tests, %d failed\n", ran, failed);
    return failed != 0 || ran == 0;
}

struct PtxKernel {
    std::string name;
    std::size_t params_bytes = sizeof(Vectors);
    std::size_t shared_bytes = 0;
    unsigned max_threads = 1024;
};

// As much PTX as the emulated driver reads.
inline std::string ptx(const std::vector<PtxKernel>& kernels, const char* version = "8.0", int target = 75) {
    std::string text = std::string("// self-test\n.version ") + version + "\n.target sm_" + std::to_string(target) +
                       "\n.address_size 64\n";
    for (const PtxKernel& k : kernels) {
        if (k.shared_bytes != 0)
            text += ".shared .align 4 .b8 " + k.name + "_tile[" + std::to_string(k.shared_bytes) + "];\n";
        text += ".extern .shared .align 128 .b8 dynamic[];\n";
        text += ".visible .entry " + k.name + "(\n\t.param .align 8 .b8 " + k.name + "_param_0[" +
                std::to_string(k.params_bytes) + "]\n)\n";
        text += ".maxntid " + std::to_string(k.max_threads) + ", 1, 1\n{\n";
        if (k.shared_bytes != 0) text += "\tmov.u64 %rd1, " + k.name + "_tile;\n";
        text += "\tmov.u64 %rd2, dynamic;\n\tret;\n}\n";
    }
    return text;
}

// The primary context of device 0, current, and a library with the kernels asked for.
class Session {
  public:
    explicit Session(int device = 0) : device_(device) {
        OK(cuInit(0));
        OK(cuDevicePrimaryCtxRetain(&context, device));
        OK(cuCtxPushCurrent_v2(context));
    }
    ~Session() {
        if (library_ != nullptr) OK(cuLibraryUnload(library_));
        OK(cuCtxPopCurrent_v2(nullptr));
        OK(cuDevicePrimaryCtxRelease_v2(device_));
    }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    CUkernel kernel(const PtxKernel& wanted) {
        if (library_ != nullptr) OK(cuLibraryUnload(library_));
        OK(cuLibraryLoadData(&library_, ptx({wanted}).c_str(), nullptr, nullptr, 0, nullptr, nullptr, 0));
        CUkernel found = nullptr;
        OK(cuLibraryGetKernel(&found, library_, wanted.name.c_str()));
        return found;
    }

    CUcontext context = nullptr;

  private:
    int device_;
    CUlibrary library_ = nullptr;
};

// Device memory that holds a vector.
class Buffer {
  public:
    explicit Buffer(std::size_t count) : count(count) { OK(cuMemAlloc_v2(&address, count * sizeof(float))); }
    explicit Buffer(const std::vector<float>& values) : Buffer(values.size()) {
        OK(cuMemcpyHtoD_v2(address, values.data(), values.size() * sizeof(float)));
        // The copy may still be under way, and other streams do not wait for it.
        OK(cuStreamSynchronize(nullptr));
    }
    ~Buffer() { OK(cuMemFree_v2(address)); }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;

    std::vector<float> read() const {
        std::vector<float> values(count);
        OK(cuMemcpyDtoH_v2(values.data(), address, count * sizeof(float)));
        return values;
    }
    float* device() const { return reinterpret_cast<float*>(address); }

    CUdeviceptr address = 0;
    std::size_t count;
};

inline std::vector<float> ramp(std::size_t count, float first = 0.0f) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; i++) values[i] = first + static_cast<float>(i);
    return values;
}

template <class Params>
CUresult launch(CUkernel kernel, unsigned grid, unsigned block, unsigned dynamic, CUstream stream, Params params) {
    void* arguments[] = {&params};
    return cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, dynamic, stream, arguments, nullptr);
}
