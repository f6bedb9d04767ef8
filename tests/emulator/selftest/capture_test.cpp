// Stream capture and graphs.
#include <thread>

#include "support.h"

namespace {

// A session with two streams, two buffers and the kernel that reverses.
struct Scene {
    explicit Scene(unsigned flags = STREAM_NON_BLOCKING) {
        OK(cuStreamCreate(&stream, flags));
        OK(cuStreamCreate(&other, flags));
        OK(cuEventCreate(&event, EVENT_DISABLE_TIMING));
    }
    ~Scene() {
        OK(cuEventDestroy_v2(event));
        OK(cuStreamDestroy_v2(stream));
        OK(cuStreamDestroy_v2(other));
    }
    CUresult reverse(const Buffer& to, const Buffer& from, CUstream on) {
        return launch(kernel, 1, 256, 0, on, Vectors{to.device(), from.device(), 256, 0});
    }
    int status(CUstream of) {
        int value = -1;
        OK(cuStreamIsCapturing(of, &value));
        return value;
    }
    // Ends the capture that must have failed.
    void end_broken(CUresult expected) {
        CUgraph graph = reinterpret_cast<CUgraph>(1);
        CHECK_CALL(expected, cuStreamEndCapture(stream, &graph));
        CHECK(graph == nullptr);
        CHECK(status(stream) == CAPTURE_NONE);
    }

    Session session;
    CUkernel kernel = session.kernel({"test_reverse"});
    CUstream stream = nullptr, other = nullptr;
    CUevent event = nullptr;
};

std::vector<float> reversed() {
    std::vector<float> values = ramp(256);
    return {values.rbegin(), values.rend()};
}

// Nothing runs while it is captured; every launch of the graph runs it once.
void capture_and_replay() {
    Scene s;
    const Buffer a(ramp(256)), b(std::vector<float>(256, -1.0f)), c(256);
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_GLOBAL));
    CHECK(s.status(s.stream) == CAPTURE_ACTIVE);
    OK(s.reverse(b, a, s.stream));
    OK(s.reverse(c, b, s.stream));
    CHECK(s.status(s.other) == CAPTURE_NONE);
    OK(cuStreamEndCapture(s.stream, &graph));
    CHECK(s.status(s.stream) == CAPTURE_NONE);
    CHECK(b.read()[0] == -1.0f);
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphDestroy(graph));
    for (int i = 0; i < 3; i++) {
        OK(cuMemsetD8_v2(b.address, 0, 1024));
        // The memset runs on the default stream, which does not wait for a non-blocking one, nor the other way round.
        OK(cuCtxSynchronize());
        OK(cuGraphLaunch(exec, s.other));
        OK(cuStreamSynchronize(s.other));
        CHECK(b.read() == reversed());
        CHECK(c.read() == ramp(256));
    }
    OK(cuGraphExecDestroy(exec));
    CHECK_CALL(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(exec, s.other));
}

void fork_and_join() {
    Scene s;
    const Buffer a(ramp(256)), b(256), c(256), d(256);
    CUgraph graph = nullptr;
    CUgraphExec exec = nullptr;
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_GLOBAL));
    OK(s.reverse(b, a, s.stream));
    OK(cuEventRecord(s.event, s.stream));
    OK(cuStreamWaitEvent(s.other, s.event, 0));
    CHECK(s.status(s.other) == CAPTURE_ACTIVE);
    OK(s.reverse(c, b, s.other));
    OK(cuEventRecord(s.event, s.other));
    OK(cuStreamWaitEvent(s.stream, s.event, 0));
    OK(s.reverse(d, c, s.stream));
    OK(cuStreamEndCapture(s.stream, &graph));
    CHECK(s.status(s.other) == CAPTURE_NONE);
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cuGraphLaunch(exec, s.stream));
    OK(cuStreamSynchronize(s.stream));
    CHECK(d.read() == reversed());
    OK(cuGraphExecDestroy(exec));
    OK(cuGraphDestroy(graph));
}

void unjoined_work() {
    Scene s;
    const Buffer a(ramp(256)), b(256);
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_GLOBAL));
    OK(cuEventRecord(s.event, s.stream));
    OK(cuStreamWaitEvent(s.other, s.event, 0));
    OK(s.reverse(b, a, s.other));
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
    CHECK(s.status(s.other) == CAPTURE_NONE);
}

// Each of these calls breaks a capture of the mode.
void forbidden_calls() {
    Scene s;
    const Buffer a(ramp(256)), b(256);
    CUdeviceptr made = 0;
    float value = 0;
    const std::vector<std::pair<const char*, std::function<CUresult()>>> calls = {
        {"cuMemAlloc", [&] { return cuMemAlloc_v2(&made, 4); }},
        {"cuMemFree", [&] { return cuMemFree_v2(a.address); }},
        {"cuMemcpyDtoH", [&] { return cuMemcpyDtoH_v2(&value, a.address, 4); }},
        {"cuCtxSynchronize", [&] { return cuCtxSynchronize(); }},
        {"cuStreamSynchronize", [&] { return cuStreamSynchronize(s.stream); }},
        {"cuStreamQuery", [&] { return cuStreamQuery(s.stream); }},
    };
    for (const CaptureMode mode : {CAPTURE_GLOBAL, CAPTURE_THREAD_LOCAL})
        for (const auto& [name, call] : calls) {
            OK(cuStreamBeginCapture_v2(s.stream, mode));
            OK(s.reverse(b, a, s.stream));
            const CUresult result = call();
            if (result != CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
                std::printf("    %s in mode %u\n", name, unsigned{mode});
            CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, result);
            CHECK(s.status(s.stream) == CAPTURE_INVALIDATED);
            CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, s.reverse(b, a, s.stream));
            s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
        }
}

void modes() {
    Scene s;
    const Buffer a(ramp(256)), b(256);
    CUdeviceptr made = 0;
    CUgraph graph = nullptr;
    CUresult elsewhere = CUDA_SUCCESS;
    const auto allocate_elsewhere = [&] {
        std::thread([&] {
            OK(cuCtxSetCurrent(s.session.context));
            elsewhere = cuMemAlloc_v2(&made, 4);
            if (elsewhere == CUDA_SUCCESS) elsewhere = cuMemFree_v2(made);
        }).join();
    };
    // Relaxed: nothing is forbidden but to wait for the stream itself.
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_RELAXED));
    OK(cuMemAlloc_v2(&made, 4));
    OK(cuMemFree_v2(made));
    OK(cuStreamEndCapture(s.stream, &graph));
    OK(cuGraphDestroy(graph));
    // Thread-local: other threads may do what they like. Global: they may not.
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_THREAD_LOCAL));
    allocate_elsewhere();
    CHECK(elsewhere == CUDA_SUCCESS);
    std::thread([&] {
        CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, cuStreamEndCapture(s.stream, &graph));
    }).join();
    OK(cuStreamEndCapture(s.stream, &graph));
    OK(cuGraphDestroy(graph));
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_GLOBAL));
    allocate_elsewhere();
    CHECK(elsewhere == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

// Work on the default stream would have to wait for a blocking stream that captures.
void legacy_stream() {
    Scene s(0);
    const Buffer a(ramp(256)), b(256);
    int status = -1;
    CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(nullptr, CAPTURE_RELAXED));
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_RELAXED));
    CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuStreamIsCapturing(nullptr, &status));
    CHECK(s.status(s.stream) == CAPTURE_ACTIVE);
    CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, s.reverse(b, a, nullptr));
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    OK(s.reverse(b, a, nullptr));
}

void events() {
    Scene s;
    const Buffer a(ramp(256)), b(256);
    OK(cuEventRecord(s.event, s.other));
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_RELAXED));
    CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(s.stream, s.event, 0));
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    OK(cuStreamBeginCapture_v2(s.stream, CAPTURE_RELAXED));
    OK(cuEventRecord(s.event, s.stream));
    CHECK_CALL(CUDA_ERROR_CAPTURED_EVENT, cuEventSynchronize(s.event));
    OK(cuStreamBeginCapture_v2(s.other, CAPTURE_RELAXED));
    CHECK_CALL(CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(s.other, s.event, 0));
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    std::swap(s.stream, s.other);
    s.end_broken(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

}    // namespace

int main(int argc, char** argv) {
    return run_tests({{"capture: capture and replay", capture_and_replay},
                      {"capture: fork and join", fork_and_join},
                      {"capture: unjoined work", unjoined_work},
                      {"capture: forbidden calls", forbidden_calls},
                      {"capture: modes", modes},
                      {"capture: the legacy stream", legacy_stream},
                      {"capture: events", events}},
                     argc, argv);
}
