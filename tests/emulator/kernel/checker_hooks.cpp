// What -fsanitize=thread makes the compiler call at loads and stores of kernels. Only in the EMU_CHECK build.
#ifdef EMU_CHECK

#include "checker.h"

#define EMU_HOOK(name, bytes, write, aligned)                                                                          \
    extern "C" void __tsan_##name##bytes(void* address) {                                                              \
        emu::checked_access(address, bytes, write, aligned, __builtin_return_address(0));                              \
    }
#define EMU_HOOKS(bytes)                                                                                               \
    EMU_HOOK(read, bytes, false, true)                                                                                 \
    EMU_HOOK(write, bytes, true, true)                                                                                 \
    EMU_HOOK(volatile_read, bytes, false, true)                                                                        \
    EMU_HOOK(volatile_write, bytes, true, true)
#define EMU_UNALIGNED_HOOKS(bytes)                                                                                     \
    EMU_HOOK(unaligned_read, bytes, false, false)                                                                      \
    EMU_HOOK(unaligned_write, bytes, true, false)                                                                      \
    EMU_HOOK(unaligned_volatile_read, bytes, false, false)                                                             \
    EMU_HOOK(unaligned_volatile_write, bytes, true, false)

EMU_HOOKS(1)
EMU_HOOKS(2)
EMU_HOOKS(4)
EMU_HOOKS(8)
EMU_HOOKS(16)
EMU_UNALIGNED_HOOKS(2)
EMU_UNALIGNED_HOOKS(4)
EMU_UNALIGNED_HOOKS(8)
EMU_UNALIGNED_HOOKS(16)

extern "C" void __tsan_read_range(void* address, unsigned long bytes) {
    emu::checked_access(address, bytes, false, false, __builtin_return_address(0));
}
extern "C" void __tsan_write_range(void* address, unsigned long bytes) {
    emu::checked_access(address, bytes, true, false, __builtin_return_address(0));
}
// Called at the start and end of functions; there is nothing to do.
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void*) {}
extern "C" void __tsan_func_exit() {}

#endif
