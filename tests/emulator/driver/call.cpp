#include "call.h"

#include <pthread.h>

#include <atomic>
#include <cstring>

#include "../kernel/report.h"
#include "settings.h"

namespace emu {
namespace {

std::atomic<bool> forked;
std::atomic<CUresult> lost;
std::atomic<std::uint64_t> calls;
std::atomic<std::uint64_t> failed;
// The rules make this call's work fail later, on the stream.
thread_local CUresult asynchronous_failure;

bool trace() {
    static const bool on = flag_setting("FSSIM_EMU_TRACE");
    return on;
}

// Calls that a lost device does not affect, because they do not touch it.
bool survives_lost_device(const char* name) {
    static const char* const names[] = {"cuInit",          "cuDriverGetVersion", "cuDeviceGetCount",
                                        "cuDeviceGet",     "cuDeviceGetName",    "cuDeviceGetAttribute",
                                        "cuCtxGetCurrent", "cuCtxPopCurrent_v2", "cuCtxPushCurrent_v2"};
    for (const char* one : names)
        if (std::strcmp(name, one) == 0) return true;
    return false;
}

}    // namespace

CUresult enter_call(const char* name, Needs needs) {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
    (void)registered;
    // The worker threads and whoever held the locks did not come along.
    if (forked) return CUDA_ERROR_NOT_INITIALIZED;
    calls++;
    bool asynchronous = false;
    const CUresult injected = injected_failure(name, &asynchronous);
    asynchronous_failure = asynchronous ? injected : CUDA_SUCCESS;
    if (injected != CUDA_SUCCESS && !asynchronous) return injected;
    if (lost != CUDA_SUCCESS && !survives_lost_device(name)) return lost;
    if (needs == Needs::initialised) {
        const Lock lock(driver().mutex);
        if (!driver().initialised) return CUDA_ERROR_NOT_INITIALIZED;
    }
    return CUDA_SUCCESS;
}

CUresult leave_call(const char* name, CUresult result) {
    if (result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY) failed++;
    if (trace()) say("emulated driver: %s = %u\n", name, result);
    return result;
}

CUresult pending_asynchronous_failure() { return asynchronous_failure; }

CUresult device_error() { return lost; }
void set_device_error(CUresult error) { lost = error; }

CallCounts call_counts() { return {calls, failed}; }

}    // namespace emu
