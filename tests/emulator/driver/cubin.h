// What the emulated driver reads of machine code: as much as of PTX.
#pragma once

#include <string>

#include "state.h"

namespace emu {

// Whether an image is an ELF file rather than text.
bool is_elf(const char* image);

// CUDA_ERROR_INVALID_IMAGE and a reason if it is no machine code for a GPU.
CUresult read_cubin(const char* image, Library* library, std::string* problem);

}    // namespace emu
