// Elements of images and gradients in memory: f32, f16, bf16 or bytes, the same for the whole grid.
//
// A pixel is read in two steps, so that its load can be under way while something else is computed: first the element's
// bits, later in their place the number that they stand for.
#pragma once

#include "intrinsics.cuh"
#include "params.cuh"

// What a kernel is compiled for: a pair of element types (PIXELS_*) with a gradient of f32 or, beside images of 16 bits, of
// their type; or any types. Code for other types would be in the way of a pair's in the instruction cache.
enum class Elements {
    ANY = 0,
    F32 = PIXELS_F32,
    F16 = PIXELS_F16,
    BF16 = PIXELS_BF16,
    U8 = PIXELS_U8,
    F32_U8 = PIXELS_F32_U8,
};

// The element types of a pair.
constexpr __device__ int first_type(Elements pair) {
    switch (pair) {
    case Elements::F16: return ELEMENT_F16;
    case Elements::BF16: return ELEMENT_BF16;
    case Elements::U8: return ELEMENT_U8;
    default: return ELEMENT_F32;
    }
}
constexpr __device__ int second_type(Elements pair) { return pair == Elements::F32_U8 ? ELEMENT_U8 : first_type(pair); }

constexpr __device__ int bytes_of(int type) { return type == ELEMENT_F32 ? 4 : type == ELEMENT_U8 ? 1 : 2; }

// Neighbouring elements that one access can move.
constexpr int QUAD = 4;

// The bits of an element of the size of BITS, in the low end of those of a float.
template <typename BITS>
__device__ __forceinline__ float load_bits(const char* address) {
    return __uint_as_float(__ldg(reinterpret_cast<const BITS*>(address)));
}

template <int TYPE>
__device__ __forceinline__ float element_value(unsigned bits) {
    if (TYPE == ELEMENT_F16) return half_to_float(static_cast<unsigned short>(bits));
    if (TYPE == ELEMENT_BF16) return bfloat16_to_float(static_cast<unsigned short>(bits));
    if (TYPE == ELEMENT_U8) return static_cast<float>(static_cast<unsigned char>(bits));
    return __uint_as_float(bits);
}

// One element as a number.
__device__ __forceinline__ float load_element(const char* address, int type) {
    switch (type) {
    case ELEMENT_F16: return element_value<ELEMENT_F16>(__float_as_uint(load_bits<unsigned short>(address)));
    case ELEMENT_BF16: return element_value<ELEMENT_BF16>(__float_as_uint(load_bits<unsigned short>(address)));
    case ELEMENT_U8: return element_value<ELEMENT_U8>(__float_as_uint(load_bits<unsigned char>(address)));
    default: return load_bits<unsigned>(address);
    }
}

// Rounds a number to an element: to the nearest, ties to even.
__device__ __forceinline__ void store_element(char* address, int type, float value) {
    switch (type) {
    case ELEMENT_F16: *reinterpret_cast<unsigned short*>(address) = float_to_half(value); break;
    case ELEMENT_BF16: *reinterpret_cast<unsigned short*>(address) = float_to_bfloat16(value); break;
    default: *reinterpret_cast<float*>(address) = value;
    }
}

// The bits of elements `stride` bytes apart; those that are not wanted are zero, and are not touched.
template <typename BITS, int COUNT>
__device__ __forceinline__ void load_bits(const char* element, long long stride, const bool (&wanted)[COUNT],
                                          float (&bits)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++, element += stride) bits[i] = wanted[i] ? load_bits<BITS>(element) : 0.0f;
}

template <Elements ELEMENTS, int COUNT>
__device__ __forceinline__ void load_bits(const char* first, long long stride, int element_bytes,
                                          const bool (&wanted)[COUNT], float (&bits)[COUNT]) {
    if (ELEMENTS == Elements::ANY && element_bytes == 1)
        load_bits<unsigned char>(first, stride, wanted, bits);
    else if (ELEMENTS == Elements::ANY && element_bytes == 2)
        load_bits<unsigned short>(first, stride, wanted, bits);
    else
        load_bits<unsigned>(first, stride, wanted, bits);
}

template <int TYPE, int COUNT>
__device__ __forceinline__ void convert_elements(float (&bits)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) bits[i] = element_value<TYPE>(__float_as_uint(bits[i]));
}

// Makes numbers of the bits that load_bits left.
template <int COUNT>
__device__ __forceinline__ void convert_elements(float (&bits)[COUNT], int type) {
    if (type == ELEMENT_F16) convert_elements<ELEMENT_F16>(bits);
    if (type == ELEMENT_BF16) convert_elements<ELEMENT_BF16>(bits);
    if (type == ELEMENT_U8) convert_elements<ELEMENT_U8>(bits);
}

// The type of a gradient, as far as it was not compiled in.
template <Elements ELEMENTS>
__device__ __forceinline__ int gradient_type(const Image& image) {
    if (ELEMENTS == Elements::ANY) return image.element;
    const int type = first_type(ELEMENTS);
    return bytes_of(type) != 2 || image.element_bytes == 4 ? ELEMENT_F32 : type;
}

// Rounds numbers to 16 bits.
template <int COUNT>
__device__ __forceinline__ void round_elements(const float (&value)[COUNT], int type, unsigned short (&bits)[COUNT]) {
    if (type == ELEMENT_F16) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) bits[i] = float_to_half(value[i]);
    } else {
#pragma unroll
        for (int i = 0; i < COUNT; i++) bits[i] = float_to_bfloat16(value[i]);
    }
}

// Rounds numbers to the wanted ones of the elements `stride` bytes apart.
template <Elements ELEMENTS, int COUNT>
__device__ __forceinline__ void store_elements(char* first, const Image& image, const bool (&wanted)[COUNT],
                                               const float (&value)[COUNT]) {
    const long long stride = image.stride_w;
    const int type = gradient_type<ELEMENTS>(image);
    if (type == ELEMENT_F32) {
#pragma unroll
        for (int i = 0; i < COUNT; i++)
            if (wanted[i]) store_one(first + i * stride, value[i]);
        return;
    }
    unsigned short bits[COUNT];
    round_elements(value, type, bits);
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        if (wanted[i]) *reinterpret_cast<unsigned short*>(first + i * stride) = bits[i];
}

// Whether a QUAD of elements from this address on is one aligned access, in this row and in all others.
__device__ __forceinline__ bool has_quads(const Image& image, const char* address) {
    const size_t quad_bytes = QUAD * image.element_bytes;
    const size_t starts = reinterpret_cast<size_t>(address) | static_cast<size_t>(image.stride_h);
    return image.stride_w == image.element_bytes && (starts & (quad_bytes - 1)) == 0;
}

// The bits of a QUAD as they lie in memory, for which has_quads has said yes.
template <Elements ELEMENTS>
__device__ __forceinline__ void load_quad(const char* address, int element_bytes, float (&packed)[QUAD]) {
    if (ELEMENTS == Elements::ANY && element_bytes == 1) {
        packed[0] = __ldg(reinterpret_cast<const float*>(address));
    } else if (ELEMENTS == Elements::ANY && element_bytes == 2) {
        const float2 two = __ldg(reinterpret_cast<const float2*>(address));
        packed[0] = two.x;
        packed[1] = two.y;
    } else {
        const float4 four = __ldg(reinterpret_cast<const float4*>(address));
        packed[0] = four.x;
        packed[1] = four.y;
        packed[2] = four.z;
        packed[3] = four.w;
    }
}

template <int TYPE, int BITS>
__device__ __forceinline__ void convert_quad(float (&packed)[QUAD]) {
    constexpr int PER_WORD = 32 / BITS;
    const unsigned words[] = {__float_as_uint(packed[0]), __float_as_uint(packed[1])};
#pragma unroll
    for (int i = 0; i < QUAD; i++) packed[i] = element_value<TYPE>(words[i / PER_WORD] >> BITS * (i % PER_WORD));
}

// Makes numbers of the bits that load_quad left.
__device__ __forceinline__ void convert_quad(float (&packed)[QUAD], int type) {
    if (type == ELEMENT_F16) convert_quad<ELEMENT_F16, 16>(packed);
    if (type == ELEMENT_BF16) convert_quad<ELEMENT_BF16, 16>(packed);
    if (type == ELEMENT_U8) convert_quad<ELEMENT_U8, 8>(packed);
}

// Rounds numbers to a QUAD of elements, for which has_quads has said yes.
template <Elements ELEMENTS>
__device__ __forceinline__ void store_quad(char* address, const Image& image, const float (&value)[QUAD]) {
    const int type = gradient_type<ELEMENTS>(image);
    if (type == ELEMENT_F32) {
        store_four(address, value);
        return;
    }
    if (type == ELEMENT_F16) {
        store_four(address, {pack_half2(value[0], value[1]), pack_half2(value[2], value[3])});
        return;
    }
    store_four(address, {pack_bfloat162(value[0], value[1]), pack_bfloat162(value[2], value[3])});
}
