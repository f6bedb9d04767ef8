// Runs one faulty kernel, in a process of its own because most of them end it.
//     fault_program SCENARIO      exit status 0: the result is right, 3: it is wrong; else the emulator ended it
#include <cmath>

#include "support.h"

namespace {

constexpr unsigned THREADS = 256;

struct Scenario {
    const char* name;
    const char* kernel;
    unsigned blocks = 1;
    unsigned threads = THREADS;
    unsigned dynamic = 0;
    int flag = 0;
    float (*expected)(int) = [](int i) { return static_cast<float>(i); };
};

float next(int i) { return static_cast<float>((i + 1) % 256); }
float next_twice(int i) { return 2.0f * next(i) + 1.0f; }

// Scenarios that are more than their kernel.
const std::vector<Scenario> special = {
    {.name = "fault_missing_barrier", .kernel = "fault_missing_barrier", .expected = next},
    {.name = "fault_missing_second_barrier", .kernel = "fault_missing_second_barrier", .expected = next_twice},
    {.name = "fault_copy_async_no_barrier", .kernel = "fault_copy_async_no_barrier", .expected = next},
    {.name = "fault_two_blocks_write", .kernel = "fault_two_blocks_write", .blocks = 2},
    {.name = "fault_shared_past_end", .kernel = "fault_shared_past_end", .flag = 1},
    {.name = "fault_dynamic_past_end", .kernel = "fault_dynamic_past_end", .dynamic = THREADS * 4},
    // An odd size leaves room between the end and the page boundary.
    {.name = "write_into_the_edge", .kernel = "fault_global_write_past_end", .threads = 254},
    {.name = "use_after_free", .kernel = "fault_null"},
};

int run(const std::string& name) {
    Scenario scenario = {.name = name.c_str(), .kernel = name.c_str()};
    for (const Scenario& one : special)
        if (name == one.name) scenario = one;
    Session session;
    const std::size_t outputs = scenario.threads;
    const std::vector<float> host = ramp(THREADS);
    CUdeviceptr in = 0, out = 0;
    OK(cuMemAlloc_v2(&in, THREADS * sizeof(float)));
    OK(cuMemAlloc_v2(&out, outputs * sizeof(float)));
    if (name != "fault_global_uninitialised") OK(cuMemcpyHtoD_v2(in, host.data(), THREADS * sizeof(float)));
    if (name == "host_dereference") std::printf("%f\n", *reinterpret_cast<const float*>(in));
    if (name == "host_dereference") return 0;
    Vectors params = {reinterpret_cast<float*>(out), reinterpret_cast<float*>(in), static_cast<int>(THREADS),
                      scenario.flag};
    if (name == "fault_null") params.in = nullptr;
    if (name == "fault_host_memory") params.in = host.data();
    if (name == "use_after_free") OK(cuMemFree_v2(in));
    OK(launch(session.kernel({scenario.kernel}), scenario.blocks, scenario.threads, scenario.dynamic, nullptr, params));
    std::vector<float> result(outputs);
    OK(cuMemcpyDtoH_v2(result.data(), out, outputs * sizeof(float)));
    OK(cuMemFree_v2(out));
    int wrong = 0;
    for (std::size_t i = 0; i < outputs; i++) wrong += result[i] != scenario.expected(static_cast<int>(i));
    std::printf("%d wrong values\n", wrong);
    return failures_of_test != 0 ? 1 : wrong != 0 ? 3 : 0;
}

}    // namespace

int main(int argc, char** argv) { return argc == 2 ? run(argv[1]) : 1; }
