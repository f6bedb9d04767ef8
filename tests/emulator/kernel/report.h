// Messages of the emulator, on standard error.
#pragma once

#include "runtime.h"

namespace emu {

void say(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Kernel, block and thread that run now, if any.
void say_where(const Place* place);

// Names the source lines of an address in code, innermost first.
void say_source_lines(const void* code);

// Turns memory faults in kernels into messages; other faults go to whoever handled them before.
void install_fault_handlers();

}    // namespace emu
