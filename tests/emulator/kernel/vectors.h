// CUDA's vector types, with its sizes and alignments.
#pragma once

#define EMU_VECTOR_1(type, name)                                                                                       \
    struct name##1 { type x; };                                                                                        \
    constexpr name##1 make_##name##1(type x) { return {x}; }
#define EMU_VECTOR_2(type, name)                                                                                       \
    struct alignas(2 * sizeof(type)) name##2 { type x, y; };                                                           \
    constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }
#define EMU_VECTOR_3(type, name)                                                                                       \
    struct name##3 { type x, y, z; };                                                                                  \
    constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; }
// Vectors of four 8-byte elements are 16-byte aligned in CUDA.
#define EMU_VECTOR_4(type, name)                                                                                       \
    struct alignas(4 * sizeof(type) < 16 ? 4 * sizeof(type) : 16) name##4 { type x, y, z, w; };                        \
    constexpr name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

#define EMU_VECTORS_124(type, name) EMU_VECTOR_1(type, name) EMU_VECTOR_2(type, name) EMU_VECTOR_4(type, name)
#define EMU_VECTORS(type, name) EMU_VECTORS_124(type, name) EMU_VECTOR_3(type, name)

EMU_VECTORS(signed char, char)
EMU_VECTORS(unsigned char, uchar)
EMU_VECTORS(short, short)
EMU_VECTORS(unsigned short, ushort)
EMU_VECTORS(int, int)
EMU_VECTORS_124(unsigned, uint)    // uint3 is the type of threadIdx
EMU_VECTORS(long long, longlong)
EMU_VECTORS(unsigned long long, ulonglong)
EMU_VECTORS(float, float)
EMU_VECTORS(double, double)

constexpr uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
