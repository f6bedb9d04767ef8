// What the emulated driver reads of the PTX text that it is given: enough to refuse what a real driver would refuse.
#pragma once

#include <string>

#include "state.h"

namespace emu {

// CUDA_ERROR_INVALID_IMAGE and a reason if the text is not PTX.
CUresult read_ptx(const char* text, Library* library, std::string* problem);

// The newest PTX version that a driver version compiles; both as 10 * major + minor, drivers as 1000 * major + 10 * minor.
int newest_ptx(int driver_version);

}    // namespace emu
