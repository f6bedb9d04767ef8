// Libraries of kernels: PTX or machine code is checked, the code is what was compiled into the emulator under the same names.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "../kernel/launch.h"
#include "../kernel/report.h"
#include "call.h"
#include "cubin.h"
#include "launches.h"
#include "ptx.h"
#include "settings.h"
#include "streams.h"

namespace emu {
namespace {

// CU_JIT_ERROR_LOG_BUFFER and its size, which is passed in the pointer's own bits.
constexpr unsigned JIT_ERROR_LOG_BUFFER = 5;
constexpr unsigned JIT_ERROR_LOG_BUFFER_BYTES = 6;

void write_log(const std::string& problem, const unsigned* options, void* const* values, unsigned count) {
    char* buffer = nullptr;
    std::size_t bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        if (options[i] == JIT_ERROR_LOG_BUFFER) buffer = static_cast<char*>(values[i]);
        if (options[i] == JIT_ERROR_LOG_BUFFER_BYTES) bytes = reinterpret_cast<std::uintptr_t>(values[i]);
    }
    if (buffer != nullptr && bytes != 0) std::snprintf(buffer, bytes, "%s", problem.c_str());
}

CUresult load(const char* image, Library* library, std::string* problem) {
    if (is_elf(image)) return read_cubin(image, library, problem);
    if (const CUresult result = read_ptx(image, library, problem)) return result;
    const int newest = newest_ptx(driver_version());
    if (library->ptx_version > newest) {
        char message[128];
        std::snprintf(message, sizeof message, "Unsupported .version %d.%d; current version is '%d.%d'",
                      library->ptx_version / 10, library->ptx_version % 10, newest / 10, newest % 10);
        *problem = message;
        return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    }
    return CUDA_SUCCESS;
}

// A kernel whose compiled form and image do not belong together would test something else than what ships.
CUresult check_code(const Entry& entry, const Kernel* code) {
    if (code == nullptr) {
        say("emulated driver: the image has a kernel %s, the emulator was built without it\n", entry.name.c_str());
        return CUDA_ERROR_NOT_FOUND;
    }
    if (entry.params_bytes != code->params_bytes) {
        say("emulated driver: %s takes %zu bytes of parameters in the image and %zu in the source; one of them is out "
            "of "
            "date\n",
            entry.name.c_str(), entry.params_bytes, code->params_bytes);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    return CUDA_SUCCESS;
}

CUresult function_attribute(const LibraryKernel& kernel, int attribute, const Device& device, int* value) {
    const auto set = kernel.max_dynamic_shared.find(device.ordinal);
    switch (attribute) {
    case FUNCTION_MAX_THREADS: *value = static_cast<int>(kernel.entry.max_threads); break;
    case FUNCTION_SHARED_BYTES: *value = static_cast<int>(kernel.entry.shared_bytes); break;
    case FUNCTION_CONST_BYTES:
    case FUNCTION_LOCAL_BYTES: *value = 0; break;
    case FUNCTION_REGISTERS: *value = EMULATED_REGISTERS; break;
    case FUNCTION_PTX_VERSION: *value = kernel.library->target; break;
    case FUNCTION_BINARY_VERSION:
        *value = kernel.library->machine_code ? kernel.library->target : device.capability;
        break;
    case FUNCTION_MAX_DYNAMIC_SHARED_BYTES:
        *value = set != kernel.max_dynamic_shared.end()
                     ? set->second
                     : DEFAULT_SHARED_BYTES - static_cast<int>(kernel.entry.shared_bytes);
        break;
    case FUNCTION_SHARED_CARVEOUT: *value = -1; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult set_function_attribute(LibraryKernel& kernel, int attribute, const Device& device, int value) {
    if (attribute == FUNCTION_SHARED_CARVEOUT)
        return value >= -1 && value <= 100 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (attribute != FUNCTION_MAX_DYNAMIC_SHARED_BYTES) return CUDA_ERROR_INVALID_VALUE;
    if (value < 0 || value + static_cast<int>(kernel.entry.shared_bytes) > max_shared_per_block(device))
        return CUDA_ERROR_INVALID_VALUE;
    kernel.max_dynamic_shared[device.ordinal] = value;
    return CUDA_SUCCESS;
}

// The device of a kernel attribute call, and of a function attribute call.
CUresult device_of(CUdevice ordinal, Device** device) {
    std::deque<Device>& devices = driver().devices;
    if (ordinal < 0 || static_cast<std::size_t>(ordinal) >= devices.size()) return CUDA_ERROR_INVALID_DEVICE;
    *device = &devices[static_cast<std::size_t>(ordinal)];
    return CUDA_SUCCESS;
}
CUresult current_device(Device** device) {
    std::shared_ptr<Context> context;
    if (const CUresult result = require_context(&context)) return result;
    *device = context->device;
    return CUDA_SUCCESS;
}

}    // namespace
}    // namespace emu

using namespace emu;

EMU_EXPORT CUresult cuLibraryLoadData(CUlibrary* handle, const void* code, unsigned* options, void** values,
                                      unsigned count, unsigned*, void**, unsigned) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (handle == nullptr || code == nullptr) return CUDA_ERROR_INVALID_VALUE;
        // Newer drivers load in a capture, older ones did not.
        if (flag_setting("FSSIM_EMU_NO_LOAD_IN_CAPTURE"))
            if (const CUresult result = forbid_in_capture()) return result;
        auto library = std::make_shared<Library>();
        std::string problem;
        const CUresult result = load(static_cast<const char*>(code), library.get(), &problem);
        write_log(problem, options, values, count);
        if (result == CUDA_SUCCESS) *handle = driver().libraries.add(library);
        return result;
    });
}

EMU_EXPORT CUresult cuLibraryUnload(CUlibrary handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        Driver& d = driver();
        const std::shared_ptr<Library> library = d.libraries.find(handle);
        if (!library) return CUDA_ERROR_INVALID_HANDLE;
        for (auto at = d.kernel_handles.begin(); at != d.kernel_handles.end();) {
            if (at->first.first != library.get()) {
                ++at;
                continue;
            }
            d.kernels.remove(at->second);
            at = d.kernel_handles.erase(at);
        }
        d.libraries.remove(handle);
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuLibraryGetKernel(CUkernel* handle, CUlibrary library_handle, const char* name) {
    return call(__func__, [&](Lock&) -> CUresult {
        Driver& d = driver();
        const std::shared_ptr<Library> library = d.libraries.find(library_handle);
        if (handle == nullptr || name == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (!library) return CUDA_ERROR_INVALID_HANDLE;
        const auto entry = std::ranges::find(library->entries, name, &Entry::name);
        if (entry == library->entries.end()) return CUDA_ERROR_NOT_FOUND;
        const Kernel* const code = find_kernel(name);
        if (const CUresult result = check_code(*entry, code)) return result;
        void*& known = d.kernel_handles[{library.get(), name}];
        if (known == nullptr)
            known = d.kernels.add(std::make_shared<LibraryKernel>(LibraryKernel{library, *entry, code, {}}));
        *handle = known;
        return CUDA_SUCCESS;
    });
}

// A kernel handle serves as a function; this call only finds out whether the current device can run it.
EMU_EXPORT CUresult cuKernelGetFunction(CUfunction* function, CUkernel handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(handle);
        Device* device;
        if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = current_device(&device)) return result;
        if (!kernel->library->runs_on(*device)) return CUDA_ERROR_NO_BINARY_FOR_GPU;
        *function = handle;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuKernelGetAttribute(int* value, int attribute, CUkernel handle, CUdevice ordinal) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(handle);
        Device* device;
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = device_of(ordinal, &device)) return result;
        return function_attribute(*kernel, attribute, *device, value);
    });
}

EMU_EXPORT CUresult cuKernelSetAttribute(int attribute, int value, CUkernel handle, CUdevice ordinal) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(handle);
        Device* device;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = device_of(ordinal, &device)) return result;
        return set_function_attribute(*kernel, attribute, *device, value);
    });
}

EMU_EXPORT CUresult cuFuncGetAttribute(int* value, int attribute, CUfunction handle) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(handle);
        Device* device;
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = current_device(&device)) return result;
        return function_attribute(*kernel, attribute, *device, value);
    });
}

EMU_EXPORT CUresult cuFuncSetAttribute(CUfunction handle, int attribute, int value) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(handle);
        Device* device;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = current_device(&device)) return result;
        return set_function_attribute(*kernel, attribute, *device, value);
    });
}
