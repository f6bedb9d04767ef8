// Initialisation, devices and contexts.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "../kernel/launch.h"
#include "../kernel/report.h"
#include "call.h"
#include "emulated_cuda.h"
#include "memory.h"
#include "settings.h"
#include "streams.h"

namespace emu {
namespace {

// The contexts that the calling thread has pushed, the current one last.
thread_local std::vector<CUcontext> context_stack;

void report_leaks() {
    cuEmuCounts counts;
    cuEmuCounters(&counts);
    say("emulated driver: %llu calls, %llu failed, %llu launches\n", static_cast<unsigned long long>(counts.calls),
        static_cast<unsigned long long>(counts.failed_calls), static_cast<unsigned long long>(counts.launches));
    say("  alive: %llu contexts, %llu primary references, %llu streams, %llu events, %llu graphs, %llu libraries, "
        "%llu device allocations (%llu bytes), %llu host allocations (%llu bytes)\n",
        static_cast<unsigned long long>(counts.contexts), static_cast<unsigned long long>(counts.primary_references),
        static_cast<unsigned long long>(counts.streams), static_cast<unsigned long long>(counts.events),
        static_cast<unsigned long long>(counts.graphs), static_cast<unsigned long long>(counts.libraries),
        static_cast<unsigned long long>(counts.device_allocations),
        static_cast<unsigned long long>(counts.device_bytes), static_cast<unsigned long long>(counts.host_allocations),
        static_cast<unsigned long long>(counts.host_bytes));
    for_each_allocation([](const Allocation& allocation) {
        say("  allocation %lu: %zu bytes, device %d\n", allocation.number, allocation.bytes, allocation.device);
    });
}

void initialise(Driver& d) {
    const auto count = number_setting("FSSIM_EMU_DEVICES", 2);
    for (int ordinal = 0; ordinal < count; ordinal++) {
        const std::string capability = list_setting("FSSIM_EMU_CAPABILITY", ordinal, "9.0");
        int major = 0, minor = 0;
        if (std::sscanf(capability.c_str(), "%d.%d", &major, &minor) != 2)
            die(nullptr, "FSSIM_EMU_CAPABILITY: %s is not like 9.0", capability.c_str());
        const int multiprocessors = std::atoi(list_setting("FSSIM_EMU_MULTIPROCESSORS", ordinal, "4").c_str());
        d.devices.push_back({ordinal, 10 * major + minor, multiprocessors, nullptr, 0});
    }
    connect_memory();
    install_fault_handlers();
    stop_blocks_at_exit();
    if (flag_setting("FSSIM_EMU_REPORT")) std::atexit(report_leaks);
    d.initialised = true;
}

Device* find_device(CUdevice ordinal) {
    std::deque<Device>& devices = driver().devices;
    return ordinal >= 0 && static_cast<std::size_t>(ordinal) < devices.size()
               ? &devices[static_cast<std::size_t>(ordinal)]
               : nullptr;
}

std::shared_ptr<Context> make_context(Device& device, bool primary) {
    auto context = std::make_shared<Context>();
    context->device = &device;
    context->primary = primary;
    context->handle = driver().contexts.add(context);
    context->legacy = make_stream(context, 0);
    return context;
}

// Waits for the work and takes the memory and streams away, as the driver does.
void end_context(const std::shared_ptr<Context>& context, Lock& lock) {
    wait_for_context(context, lock);
    context->alive = false;
    std::vector<CUstream> streams;
    for (const auto& [handle, stream] : driver().streams.all())
        if (stream->context.lock() == context) streams.push_back(reinterpret_cast<CUstream>(handle));
    for (const CUstream handle : streams) {
        close_stream(*driver().streams.find(handle));
        driver().streams.remove(handle);
    }
    close_stream(*context->legacy);
    context->legacy = make_stream(context, 0);
    free_memory_of(context.get());
}

}    // namespace

Driver& driver() {
    static Driver& leaked = *new Driver;
    return leaked;
}

std::shared_ptr<Context> current_context() {
    return context_stack.empty() ? nullptr : driver().contexts.find(context_stack.back());
}

CUresult require_context(std::shared_ptr<Context>* context) {
    if (context_stack.empty() || context_stack.back() == nullptr) return CUDA_ERROR_INVALID_CONTEXT;
    *context = current_context();
    return *context && (*context)->alive ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

}    // namespace emu

using namespace emu;

EMU_EXPORT CUresult cuInit(unsigned flags) {
    return call(__func__, Needs::nothing, [&](Lock&) -> CUresult {
        if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
        if (!driver().initialised) initialise(driver());
        return driver().devices.empty() ? CUDA_ERROR_NO_DEVICE : CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDriverGetVersion(int* version) {
    return call(__func__, Needs::nothing, [&](Lock&) -> CUresult {
        if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *version = driver_version();
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDeviceGetCount(int* count) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *count = static_cast<int>(driver().devices.size());
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (find_device(ordinal) == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        *device = ordinal;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDeviceGetName(char* name, int length, CUdevice device) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (name == nullptr || length <= 0) return CUDA_ERROR_INVALID_VALUE;
        if (find_device(device) == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        std::snprintf(name, static_cast<std::size_t>(length), "Emulated GPU %d", device);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice ordinal) {
    return call(__func__, [&](Lock&) -> CUresult {
        Device* const device = find_device(ordinal);
        if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        // A primary context that comes back has the handle that it had.
        if (!device->primary) device->primary = make_context(*device, true);
        device->primary->alive = true;
        device->primary_references++;
        *context = device->primary->handle;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDevicePrimaryCtxRelease_v2(CUdevice ordinal) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        Device* const device = find_device(ordinal);
        if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        if (device->primary_references == 0) return CUDA_ERROR_INVALID_CONTEXT;
        if (--device->primary_references == 0) end_context(device->primary, lock);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned* flags, int* active) {
    return call(__func__, [&](Lock&) -> CUresult {
        const Device* const device = find_device(ordinal);
        if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        if (flags == nullptr || active == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *flags = 0;
        *active = device->primary_references > 0;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxCreate_v2(CUcontext* context, unsigned, CUdevice ordinal) {
    return call(__func__, [&](Lock&) -> CUresult {
        Device* const device = find_device(ordinal);
        if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (device == nullptr) return CUDA_ERROR_INVALID_DEVICE;
        *context = make_context(*device, false)->handle;
        context_stack.push_back(*context);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxDestroy_v2(CUcontext handle) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        const std::shared_ptr<Context> context = driver().contexts.find(handle);
        if (!context || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
        end_context(context, lock);
        driver().contexts.remove(handle);
        if (!context_stack.empty() && context_stack.back() == handle) context_stack.pop_back();
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxGetCurrent(CUcontext* context) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
        *context = context_stack.empty() ? nullptr : context_stack.back();
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxSetCurrent(CUcontext context) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (context != nullptr && !driver().contexts.find(context)) return CUDA_ERROR_INVALID_CONTEXT;
        if (!context_stack.empty()) context_stack.pop_back();
        if (context != nullptr) context_stack.push_back(context);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxPushCurrent_v2(CUcontext context) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (!driver().contexts.find(context)) return CUDA_ERROR_INVALID_CONTEXT;
        context_stack.push_back(context);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxPopCurrent_v2(CUcontext* context) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (context_stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
        if (context != nullptr) *context = context_stack.back();
        context_stack.pop_back();
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxGetDevice(CUdevice* device) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Context> context;
        if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = require_context(&context)) return result;
        *device = context->device->ordinal;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuCtxSynchronize() {
    return call(__func__, [&](Lock& lock) -> CUresult {
        std::shared_ptr<Context> context;
        if (const CUresult result = require_context(&context)) return result;
        if (const CUresult result = forbid_in_capture()) return result;
        return wait_for_context(context, lock);
    });
}
