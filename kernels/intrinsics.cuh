// Everything that is inline PTX or otherwise not C++. The emulator of the tests has a file of the same name with plain
// C++ twins, which its include path finds first; the kernels themselves hold no #ifdef.
#pragma once

// 1/x within one unit in the last place, one instruction.
__device__ __forceinline__ float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Dynamic shared memory of the block, 128-byte aligned.
__device__ __forceinline__ float* dynamic_shared() {
    extern __shared__ __align__(128) float shared_floats[];
    return shared_floats;
}
