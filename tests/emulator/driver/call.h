// What every driver call goes through: the count, the rules that make it fail, the checks that all calls share.
#pragma once

#include <new>

#include "state.h"

namespace emu {

// What a call needs before its own work.
enum class Needs { nothing, initialised };

// Returns the error that the call must fail with before it does anything, or CUDA_SUCCESS.
CUresult enter_call(const char* name, Needs needs);
CUresult leave_call(const char* name, CUresult result);

// Runs `body(lock)` as the driver call `name`, with the driver locked.
template <class Body>
CUresult call(const char* name, Needs needs, Body body) {
    CUresult result = enter_call(name, needs);
    if (result == CUDA_SUCCESS) {
        try {
            Lock lock(driver().mutex);
            result = body(lock);
        } catch (const std::bad_alloc&) {
            result = CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    return leave_call(name, result);
}

template <class Body>
CUresult call(const char* name, Body body) {
    return call(name, Needs::initialised, body);
}

// Failure rules; see README.md, FSSIM_EMU_FAIL.
bool set_failure_rules(const char* rules);
std::uint64_t failures();
std::uint64_t call_index();
// The error of the first matching rule. Every rule counts the calls that it matches.
CUresult injected_failure(const char* name, bool* asynchronous);
// The error that the rules chose for the work that the calling thread's current call enqueues.
CUresult pending_asynchronous_failure();

// After such an error every later call fails with it, as after a fault of the device. 0: the device is well.
CUresult device_error();
void set_device_error(CUresult error);

struct CallCounts {
    std::uint64_t calls, failed;
};
CallCounts call_counts();

}    // namespace emu
