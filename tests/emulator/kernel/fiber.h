// One fibre per CUDA thread: a stack of its own and a switch to and from the scheduler.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emu {

class Fiber {
  public:
    // Readies the fibre to run `entry` from its start. The stack is mapped on first use and kept.
    void start(void (*entry)());

    // Scheduler to fibre; returns when the fibre suspends or finishes.
    void resume();

    // Fibre to scheduler; returns when the scheduler resumes the fibre.
    void suspend();

    // Leaves the fibre for good.
    [[noreturn]] void finish();

    // Is the address in the guard page below the stack (it overflowed) or in the stack itself?
    bool guard_holds(const void* address) const { return offset(address) < GUARD_BYTES; }
    bool stack_holds(const void* address) const { return offset(address) - GUARD_BYTES < STACK_BYTES; }

  private:
    static constexpr std::size_t GUARD_BYTES = 4096;
    // Sanitizers and unoptimised code need several times the stack of the plain build.
    static constexpr std::size_t STACK_BYTES = 256 * 1024;

    std::size_t offset(const void* address) const {
        return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(mapping_);
    }

    char* mapping_ = nullptr;
    void* stack_pointer_ = nullptr;
    void* fake_stack_ = nullptr;    // AddressSanitizer's, while the fibre is suspended
};

}    // namespace emu
