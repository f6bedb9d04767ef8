// Shared memory. Static variables live in an ELF section of their kernel file, the dynamic part in a mapping that ends at
// an unmapped page. Both are filled with NaN before every block.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#include "block.h"
#include "poison.h"

namespace emu {
namespace {

// More than any GPU has, in whole pages.
constexpr std::size_t DYNAMIC_BYTES = 256 * 1024;
constexpr std::size_t GUARD_BYTES = 4096;
// What the CUDA programming guide promises for `extern __shared__ __align__(128)`; deliberately no more.
constexpr std::size_t DYNAMIC_ALIGNMENT = 128;

char* dynamic_end;
char* dynamic_begin;

void map_dynamic() {
    void* mapping =
        mmap(nullptr, DYNAMIC_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED || mprotect(static_cast<char*>(mapping) + DYNAMIC_BYTES, GUARD_BYTES, PROT_NONE) != 0) {
        std::perror("emulator: cannot map shared memory");
        std::abort();
    }
    dynamic_end = dynamic_begin = static_cast<char*>(mapping) + DYNAMIC_BYTES;
    forbid_access(mapping, DYNAMIC_BYTES);
}

// All ones is NaN in every floating-point type. Not memset: AddressSanitizer checks that one, and the section holds the
// red zones between its variables as well.
void fill_with_nan(char* begin, std::size_t bytes) {
    asm volatile("rep stosb" : "+D"(begin), "+c"(bytes) : "a"(0xff) : "memory");
}

void place_dynamic(std::size_t bytes) {
    if (dynamic_end == nullptr) map_dynamic();
    std::size_t reserved = (bytes + DYNAMIC_ALIGNMENT - 1) / DYNAMIC_ALIGNMENT * DYNAMIC_ALIGNMENT;
    // An odd multiple, so that nothing leans on a larger alignment by chance.
    if (reserved % (2 * DYNAMIC_ALIGNMENT) == 0) reserved += DYNAMIC_ALIGNMENT;
    if (reserved > DYNAMIC_BYTES) reserved = DYNAMIC_BYTES;
    char* const begin = dynamic_end - reserved;
    if (begin != dynamic_begin) {
        forbid_access(dynamic_end - DYNAMIC_BYTES, DYNAMIC_BYTES);
        dynamic_begin = begin;
    }
    forbid_access(begin, reserved);
    allow_access(begin, bytes);
    fill_with_nan(begin, reserved);
}

}    // namespace

void poison_shared_memory(const Launch& launch) {
    const Kernel& kernel = *launch.kernel;
    if (kernel.shared_begin != nullptr) fill_with_nan(kernel.shared_begin, kernel.shared_end - kernel.shared_begin);
    place_dynamic(launch.dynamic_shared_bytes);
}

void* dynamic_shared_memory() { return dynamic_begin; }

bool is_shared(const void* address) {
    const char* const at = static_cast<const char*>(address);
    const Kernel& kernel = *block.launch->kernel;
    return (at >= dynamic_begin && at < dynamic_begin + block.launch->dynamic_shared_bytes) ||
           (at >= kernel.shared_begin && at < kernel.shared_end);
}

}    // namespace emu
