// What the emulated driver offers beyond the CUDA driver API, and cuGetProcAddress.
#include <dlfcn.h>

#include <string>

#include "call.h"
#include "emulated_cuda.h"
#include "memory.h"
#include "params_layout.h"
#include "streams.h"

using namespace emu;

EMU_EXPORT void cuEmuCounters(cuEmuCounts* counts) {
    const MemoryUse memory = memory_use();
    const CallCounts calls = call_counts();
    Driver& d = driver();
    const Lock lock(d.mutex);
    *counts = {};
    counts->calls = calls.calls;
    counts->failed_calls = calls.failed;
    counts->launches = d.launches;
    counts->blocks = d.blocks;
    for (const auto& [handle, context] : d.contexts.all()) counts->contexts += !context->primary;
    for (const Device& device : d.devices) counts->primary_references += device.primary_references;
    counts->streams = d.streams.size();
    counts->events = d.events.size();
    counts->graphs = d.graphs.size() + d.graph_execs.size();
    counts->libraries = d.libraries.size();
    counts->device_allocations = memory.device_allocations;
    counts->device_bytes = memory.device_bytes;
    counts->host_allocations = memory.host_allocations;
    counts->host_bytes = memory.host_bytes;
}

EMU_EXPORT int cuEmuFail(const char* rules) {
    // What was enqueued under the old rules ends under them: a lost device must not come back to half of it.
    wait_for_everything();
    return set_failure_rules(rules) ? 0 : 1;
}
EMU_EXPORT std::uint64_t cuEmuFailures() { return failures(); }
EMU_EXPORT std::uint64_t cuEmuCallIndex() { return call_index(); }
EMU_EXPORT const char* cuEmuParamsLayout() { return params_layout(); }

EMU_EXPORT CUresult cuGetProcAddress_v2(const char* symbol, void** function, int, std::uint64_t, int* status) {
    if (symbol == nullptr || function == nullptr) return CUDA_ERROR_INVALID_VALUE;
    Dl_info own;
    dladdr(reinterpret_cast<void*>(&cuGetProcAddress_v2), &own);
    void* const library = dlopen(own.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *function = nullptr;
    for (const char* suffix : {"_v2", ""})
        if (library != nullptr && *function == nullptr)
            *function = dlsym(library, (std::string(symbol) + suffix).c_str());
    if (library != nullptr) dlclose(library);
    // CU_GET_PROC_ADDRESS_SUCCESS and CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND
    if (status != nullptr) *status = *function != nullptr ? 0 : 1;
    return *function != nullptr ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
