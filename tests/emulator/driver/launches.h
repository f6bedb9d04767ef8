// Limits of launches that several files share.
#pragma once

namespace emu {

// Shared memory of a block, static and dynamic, without opting in to more.
constexpr int DEFAULT_SHARED_BYTES = 48 * 1024;
// What the emulated compiler claims to use per thread; there is nothing to count.
constexpr int EMULATED_REGISTERS = 64;

}    // namespace emu
