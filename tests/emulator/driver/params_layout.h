// Generated from kernels/params.cuh by the build script.
#pragma once

namespace emu {

const char* params_layout();

}    // namespace emu
