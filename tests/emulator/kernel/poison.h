// Marks memory for AddressSanitizer, in the build that has it. By its functions: its macros do nothing in files that are not
// themselves instrumented, and only the kernels are.
#pragma once

#include <cstddef>

#ifdef EMU_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace emu {

#ifdef EMU_ADDRESS_SANITIZER
inline void forbid_access(const void* address, std::size_t bytes) { __asan_poison_memory_region(address, bytes); }
inline void allow_access(const void* address, std::size_t bytes) { __asan_unpoison_memory_region(address, bytes); }
#else
inline void forbid_access(const void*, std::size_t) {}
inline void allow_access(const void*, std::size_t) {}
#endif

}    // namespace emu
