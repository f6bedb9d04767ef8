// One fibre per CUDA thread: a stack of its own and a switch to and from the scheduler.
#pragma once

#include <cstddef>

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
    bool guard_holds(const void* address) const;
    bool stack_holds(const void* address) const;

private:
    char* mapping_ = nullptr;
    void* stack_pointer_ = nullptr;
    void* fake_stack_ = nullptr;    // AddressSanitizer's, while the fibre is suspended
};

}  // namespace emu
