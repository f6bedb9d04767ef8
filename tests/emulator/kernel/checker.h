// The access checker, for the hooks that the compiler calls.
#pragma once

#include <cstddef>

namespace emu {

// `code` is the address that the access returns to.
void checked_access(const void* address, std::size_t bytes, bool write, bool aligned, const void* code);

}    // namespace emu
