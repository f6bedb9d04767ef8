// The emulator's twin of kernels/intrinsics.cuh: the same functions as plain C++. Functions here may exist before the
// kernels use them; a function of the kernels' file that is missing here fails to compile.
#pragma once

__device__ __forceinline__ float reciprocal(float x) { return 1.0f / x; }

// Reads a byte, so that a place that no load may touch is found.
__device__ __forceinline__ void prefetch(const void* address) {
    static_cast<void>(*static_cast<const volatile char*>(address));
}

__device__ __forceinline__ float* dynamic_shared() { return static_cast<float*>(emu::dynamic_shared_memory()); }

// 16-bit floating point, by its bits.
__device__ __forceinline__ float half_to_float(unsigned short bits) {
    return static_cast<float>(std::bit_cast<_Float16>(bits));
}
__device__ __forceinline__ unsigned short float_to_half(float x) {
    return std::bit_cast<unsigned short>(static_cast<_Float16>(x));
}
__device__ __forceinline__ float bfloat16_to_float(unsigned short bits) {
    return std::bit_cast<float>(unsigned{bits} << 16);
}
__device__ __forceinline__ unsigned short float_to_bfloat16(float x) {
    const unsigned bits = std::bit_cast<unsigned>(x);
    if (x != x) return static_cast<unsigned short>(bits >> 16 | 0x40);
    return static_cast<unsigned short>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);    // to nearest, ties to even
}

// Stores to global memory: one element, or four neighbours at once.
__device__ __forceinline__ void store_one(char* address, float value) { *reinterpret_cast<float*>(address) = value; }
__device__ __forceinline__ void store_four(char* address, const float (&value)[4]) {
    *reinterpret_cast<float4*>(address) = make_float4(value[0], value[1], value[2], value[3]);
}
__device__ __forceinline__ void store_four(char* address, const unsigned (&pairs)[2]) {
    *reinterpret_cast<uint2*>(address) = make_uint2(pairs[0], pairs[1]);
}

// A word whose low byte is byte `index` of another.
__device__ __forceinline__ unsigned with_low_byte(unsigned word, unsigned other, int index) {
    return (word & ~0xffu) | (other >> 8 * index & 0xffu);
}

// Two halves in one register, the first in its low bits.
__device__ __forceinline__ unsigned pack_half2(float low, float high) {
    return float_to_half(low) | static_cast<unsigned>(float_to_half(high)) << 16;
}
__device__ __forceinline__ unsigned pack_bfloat162(float low, float high) {
    return float_to_bfloat16(low) | static_cast<unsigned>(float_to_bfloat16(high)) << 16;
}
__device__ __forceinline__ float2 unpack_half2(unsigned bits) {
    return {half_to_float(static_cast<unsigned short>(bits)), half_to_float(static_cast<unsigned short>(bits >> 16))};
}

// Matrix operations of a whole warp; kernel/matrix.h says how a matrix lies in registers.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                                             emu::Place place = emu::Place::current()) {
    emu::mma_m16n8k16(d, a, b, place);
}
__device__ __forceinline__ unsigned movmatrix(unsigned row, emu::Place place = emu::Place::current()) {
    return emu::movmatrix(row, place);
}
// COUNT: 1, 2 or 4 matrices.
template <int COUNT>
__device__ __forceinline__ void ldmatrix(unsigned (&registers)[COUNT], const void* row,
                                         emu::Place place = emu::Place::current()) {
    emu::ldmatrix(registers, COUNT, false, row, place);
}
template <int COUNT>
__device__ __forceinline__ void ldmatrix_transposed(unsigned (&registers)[COUNT], const void* row,
                                                    emu::Place place = emu::Place::current()) {
    emu::ldmatrix(registers, COUNT, true, row, place);
}

// barrier.sync and barrier.arrive: `threads` is a multiple of 32 and counts those that wait and those that arrive.
__device__ __forceinline__ void barrier_sync(int id, int threads, emu::Place place = emu::Place::current()) {
    emu::barrier_sync(static_cast<unsigned>(id), static_cast<unsigned>(threads), place);
}
__device__ __forceinline__ void barrier_arrive(int id, int threads, emu::Place place = emu::Place::current()) {
    emu::barrier_arrive(static_cast<unsigned>(id), static_cast<unsigned>(threads), place);
}

// cp.async of BYTES (4, 8 or 16), of which source_bytes are read and the rest is zero.
template <int BYTES>
__device__ __forceinline__ void copy_async(void* shared, const void* global, int source_bytes = BYTES,
                                           emu::Place place = emu::Place::current()) {
    emu::copy_async(shared, global, BYTES, static_cast<unsigned>(source_bytes), place);
}
__device__ __forceinline__ void copy_async_commit() { emu::copy_async_commit(); }
template <int PENDING>
__device__ __forceinline__ void copy_async_wait() {
    emu::copy_async_wait(PENDING);
}

// mbarriers: 8 bytes of shared memory each.
__device__ __forceinline__ void mbarrier_init(unsigned long long* barrier, int count,
                                              emu::Place place = emu::Place::current()) {
    emu::mbarrier_init(reinterpret_cast<emu::Mbarrier*>(barrier), static_cast<unsigned>(count), place);
}
// Makes initialised mbarriers known to the copy engine.
__device__ __forceinline__ void mbarrier_init_fence() {}
__device__ __forceinline__ void mbarrier_arrive(unsigned long long* barrier, emu::Place place = emu::Place::current()) {
    emu::mbarrier_arrive(reinterpret_cast<emu::Mbarrier*>(barrier), 0, place);
}
__device__ __forceinline__ void mbarrier_expect_bytes(unsigned long long* barrier, int bytes,
                                                      emu::Place place = emu::Place::current()) {
    emu::mbarrier_expect_bytes(reinterpret_cast<emu::Mbarrier*>(barrier), static_cast<unsigned>(bytes), place);
}
__device__ __forceinline__ void mbarrier_arrive_expect_bytes(unsigned long long* barrier, int bytes,
                                                             emu::Place place = emu::Place::current()) {
    emu::mbarrier_arrive(reinterpret_cast<emu::Mbarrier*>(barrier), static_cast<unsigned>(bytes), place);
}
__device__ __forceinline__ bool mbarrier_try_wait(unsigned long long* barrier, int parity,
                                                  emu::Place place = emu::Place::current()) {
    return emu::mbarrier_try_wait(reinterpret_cast<emu::Mbarrier*>(barrier), static_cast<unsigned>(parity), place);
}
__device__ __forceinline__ void mbarrier_wait(unsigned long long* barrier, int parity,
                                              emu::Place place = emu::Place::current()) {
    while (!mbarrier_try_wait(barrier, parity, place)) {
    }
}

// Bulk copies from global to shared memory that count their bytes off an mbarrier.
__device__ __forceinline__ void bulk_copy(void* shared, const void* global, int bytes, unsigned long long* barrier,
                                          emu::Place place = emu::Place::current()) {
    emu::bulk_copy(shared, global, static_cast<unsigned>(bytes), reinterpret_cast<emu::Mbarrier*>(barrier), place);
}
__device__ __forceinline__ void tensor_copy_2d(void* shared, const void* map, int x, int y, unsigned long long* barrier,
                                               emu::Place place = emu::Place::current()) {
    const int corner[] = {x, y};
    emu::tensor_copy(shared, map, 2, corner, reinterpret_cast<emu::Mbarrier*>(barrier), place);
}
__device__ __forceinline__ void tensor_copy_3d(void* shared, const void* map, int x, int y, int z,
                                               unsigned long long* barrier, emu::Place place = emu::Place::current()) {
    const int corner[] = {x, y, z};
    emu::tensor_copy(shared, map, 3, corner, reinterpret_cast<emu::Mbarrier*>(barrier), place);
}
