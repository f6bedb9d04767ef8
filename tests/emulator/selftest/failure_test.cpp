// Calls that are made to fail.
#include <unistd.h>

#include <atomic>
#include <thread>

#include "support.h"

namespace {

void nth_call() {
    Session session;
    CHECK(cuEmuFail("call=2,code=999") == 0);
    const Buffer a(1), b(1);
    CUdeviceptr c = 0;
    CHECK_CALL(CUDA_ERROR_UNKNOWN, cuMemAlloc_v2(&c, 4));
    CHECK(c == 0 && cuEmuFailures() == 1 && cuEmuCallIndex() == 3);
    OK(cuMemAlloc_v2(&c, 4));
    OK(cuMemFree_v2(c));
    cuEmuFail(nullptr);
}

void nth_call_of_a_name() {
    Session session;
    CHECK(cuEmuFail("name=cuMemAlloc,count=2,code=2,times=2;name=cuCtxSynchronize,code=77777") == 0);
    CUdeviceptr a = 0, b = 0;
    OK(cuMemAlloc_v2(&a, 4));
    CHECK_CALL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&b, 4));
    CHECK_CALL(77777, cuCtxSynchronize());
    OK(cuCtxSynchronize());
    CHECK_CALL(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&b, 4));
    OK(cuMemAlloc_v2(&b, 4));
    OK(cuMemFree_v2(a));
    OK(cuMemFree_v2(b));
    CHECK(cuEmuFailures() == 3);
    cuEmuFail("");
}

void lost_device() {
    Session session;
    CUdeviceptr a = 0;
    int count = 0;
    CHECK(cuEmuFail("name=cuStreamSynchronize,code=719,sticky") == 0);
    OK(cuMemAlloc_v2(&a, 4));
    CHECK_CALL(CUDA_ERROR_LAUNCH_FAILED, cuStreamSynchronize(nullptr));
    CHECK_CALL(CUDA_ERROR_LAUNCH_FAILED, cuStreamSynchronize(nullptr));
    CHECK_CALL(CUDA_ERROR_LAUNCH_FAILED, cuMemFree_v2(a));
    OK(cuDeviceGetCount(&count));
    cuEmuFail(nullptr);
    OK(cuMemFree_v2(a));
}

// The launch succeeds, the device faults later.
void fault_on_the_stream() {
    Session session;
    const CUkernel kernel = session.kernel({"test_reverse"});
    {
        const Buffer in(ramp(256)), out(std::vector<float>(256, -1.0f));
        CHECK(cuEmuFail("name=cuLaunchKernel,code=700,async") == 0);
        OK(launch(kernel, 1, 256, 0, nullptr, Vectors{out.device(), in.device(), 256, 0}));
        CHECK_CALL(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(nullptr));
        CHECK_CALL(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
        cuEmuFail(nullptr);
        CHECK(out.read()[0] == -1.0f);
    }
}

// Whoever sets new rules need not know how far the streams have come.
void new_rules_wait_for_what_is_under_way() {
    Session session;
    const CUkernel kernel = session.kernel({"test_reverse"});
    const Buffer in(ramp(256)), out(std::vector<float>(256, -1.0f));
    const Vectors params = {out.device(), in.device(), 256, 0};
    std::atomic<bool> open = false;
    const auto wait = [](void* gate) {
        while (!*static_cast<std::atomic<bool>*>(gate)) usleep(100);
    };
    CHECK(cuEmuFail("name=cuLaunchKernel,code=700,async") == 0);
    OK(cuLaunchHostFunc(nullptr, wait, &open));
    OK(launch(kernel, 1, 256, 0, nullptr, params));
    OK(launch(kernel, 1, 256, 0, nullptr, params));
    std::thread opener([&] {
        usleep(2000);
        open = true;
    });
    CHECK(cuEmuFail(nullptr) == 0);
    opener.join();
    OK(cuCtxSynchronize());
    CHECK(out.read()[0] == -1.0f);
}

void rules_that_cannot_be_read() {
    for (const char* rules :
         {"nonsense", "code=2", "name=cuInit,code=x", "call=", "name=cuInit,code=0", "call=1,often"})
        CHECK(cuEmuFail(rules) == 1);
    CHECK(cuEmuFail(nullptr) == 0);
}

}    // namespace

int main(int argc, char** argv) {
    return run_tests({{"failure: n-th call", nth_call},
                      {"failure: n-th call of a name", nth_call_of_a_name},
                      {"failure: lost device", lost_device},
                      {"failure: fault on the stream", fault_on_the_stream},
                      {"failure: new rules wait for what is under way", new_rules_wait_for_what_is_under_way},
                      {"failure: rules that cannot be read", rules_that_cannot_be_read}},
                     argc, argv);
}
