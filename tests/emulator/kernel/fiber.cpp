#include "fiber.h"

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>

#ifdef EMU_ADDRESS_SANITIZER
#include <sanitizer/common_interface_defs.h>
#endif

extern "C" void emu_switch_stack(void** save, void* load);

namespace emu {
namespace {

// The six callee-saved registers that emu_switch_stack pops.
constexpr int SAVED_REGISTERS = 6;

void* scheduler_stack_pointer;

// AddressSanitizer wants to know which stack the code runs on.
#ifdef EMU_ADDRESS_SANITIZER
void* scheduler_fake_stack;
const void* scheduler_stack;
std::size_t scheduler_stack_bytes;

void leaving(void** fake_stack, const void* bottom, std::size_t bytes) {
    __sanitizer_start_switch_fiber(fake_stack, bottom, bytes);
}
void entered_scheduler() { __sanitizer_finish_switch_fiber(scheduler_fake_stack, nullptr, nullptr); }
void entered_fiber(void* fake_stack) {
    __sanitizer_finish_switch_fiber(fake_stack, &scheduler_stack, &scheduler_stack_bytes);
}
#else
void* scheduler_fake_stack;
const void* scheduler_stack;
std::size_t scheduler_stack_bytes;

void leaving(void**, const void*, std::size_t) {}
void entered_scheduler() {}
void entered_fiber(void*) {}
#endif

void (*fiber_entry)();

void first_entry() {
    entered_fiber(nullptr);
    fiber_entry();
}

}    // namespace

void Fiber::start(void (*entry)()) {
    if (mapping_ == nullptr) {
        void* mapping = mmap(nullptr, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED || mprotect(mapping, GUARD_BYTES, PROT_NONE) != 0) {
            std::perror("emulator: cannot map a fibre stack");
            std::abort();
        }
        mapping_ = static_cast<char*>(mapping);
    }
    fiber_entry = entry;
    // Stacks start at different offsets in their page, or all their tops would compete for the same few cache sets.
    const std::size_t colour = reinterpret_cast<std::uintptr_t>(this) / sizeof(Fiber) % 16 * 256;
    void** top = reinterpret_cast<void**>(mapping_ + GUARD_BYTES + STACK_BYTES - colour);
    // emu_switch_stack returns into first_entry with the stack aligned as after a call.
    *--top = nullptr;
    *--top = reinterpret_cast<void*>(&first_entry);
    for (int i = 0; i < SAVED_REGISTERS; i++) *--top = nullptr;
    stack_pointer_ = top;
    fake_stack_ = nullptr;
}

void Fiber::resume() {
    leaving(&scheduler_fake_stack, mapping_ + GUARD_BYTES, STACK_BYTES);
    emu_switch_stack(&scheduler_stack_pointer, stack_pointer_);
    entered_scheduler();
}

void Fiber::suspend() {
    leaving(&fake_stack_, scheduler_stack, scheduler_stack_bytes);
    emu_switch_stack(&stack_pointer_, scheduler_stack_pointer);
    entered_fiber(fake_stack_);
}

void Fiber::finish() {
    leaving(nullptr, scheduler_stack, scheduler_stack_bytes);
    emu_switch_stack(&stack_pointer_, scheduler_stack_pointer);
    std::abort();
}

}    // namespace emu
