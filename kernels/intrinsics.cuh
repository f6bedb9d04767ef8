// Everything that is inline PTX or otherwise not C++. The emulator of the tests has a file of the same name with plain
// C++ twins, which its include path finds first; the kernels themselves hold no #ifdef.
#pragma once

// 1/x within one unit in the last place, one instruction.
__device__ __forceinline__ float reciprocal(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 16-bit floating point, by its bits; numbers are rounded to the nearest, ties to even.
__device__ __forceinline__ float half_to_float(unsigned short bits) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
    return x;
}
__device__ __forceinline__ unsigned short float_to_half(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}
// Two of them in one register, the first in its low half.
__device__ __forceinline__ unsigned pack_half2(float low, float high) {
    unsigned both;
    asm("{\n\t.reg .b16 low, high;\n\tcvt.rn.f16.f32 low, %1;\n\tcvt.rn.f16.f32 high, %2;\n\tmov.b32 %0, {low, "
        "high};\n\t}"
        : "=r"(both)
        : "f"(low), "f"(high));
    return both;
}
__device__ __forceinline__ float bfloat16_to_float(unsigned short bits) {
    return __uint_as_float(static_cast<unsigned>(bits) << 16);
}
// In integers, because not all GPUs have an instruction for it.
__device__ __forceinline__ unsigned rounded_to_high_half(float x) {
    const unsigned bits = __float_as_uint(x);
    // Rounding could carry a NaN over to a number.
    return x != x ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1);
}
__device__ __forceinline__ unsigned short float_to_bfloat16(float x) {
    return static_cast<unsigned short>(rounded_to_high_half(x) >> 16);
}
__device__ __forceinline__ unsigned pack_bfloat162(float low, float high) {
    return __byte_perm(rounded_to_high_half(low), rounded_to_high_half(high), 0x7632);
}

// Stores to global memory. Where a pointer that moves from stage to stage leads the compiler does not know, and stores four
// neighbours one after the other.
__device__ __forceinline__ void store_one(char* address, float value) {
    asm volatile("st.global.f32 [%0], %1;" ::"l"(__cvta_generic_to_global(address)), "f"(value));
}
__device__ __forceinline__ void store_four(char* address, const float (&value)[4]) {
    asm volatile("st.global.v4.f32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(address)), "f"(value[0]),
                 "f"(value[1]), "f"(value[2]), "f"(value[3]));
}
__device__ __forceinline__ void store_four(char* address, const unsigned (&pairs)[2]) {
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(address)), "r"(pairs[0]),
                 "r"(pairs[1]));
}

// A word whose low byte is byte `index` of another.
__device__ __forceinline__ unsigned with_low_byte(unsigned word, unsigned other, int index) {
    return __byte_perm(other, word, 0x7650u + index);
}

// Starts bringing the line of an address in global memory into L2.
__device__ __forceinline__ void prefetch(const void* address) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"(address));
}

// Dynamic shared memory of the block, 128-byte aligned.
__device__ __forceinline__ float* dynamic_shared() {
    extern __shared__ __align__(128) float shared_floats[];
    return shared_floats;
}
