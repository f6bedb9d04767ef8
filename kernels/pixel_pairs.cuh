// Pixels of both images at the same places: their elements, and u = x + y and v = x - y, on which all filters run.
//
// Code for a pair of element types is chosen when a kernel is compiled. Chosen by branches in a kernel for any types it was
// quicker than what converts image by image, too, but by half as much, and all other types took a fifth longer.
#pragma once

#include "strip.cuh"

// Elements of a PAIR, `stride` bytes apart; of any pair for Elements::ANY.
template <Elements PAIR, int COUNT>
__device__ __forceinline__ void load_pairs(const char* img1, const char* img2, const StripParams& p, long long stride1,
                                           long long stride2, const bool (&wanted)[COUNT], float (&x)[COUNT],
                                           float (&y)[COUNT]) {
    constexpr bool ANY = PAIR == Elements::ANY;
    load_bits<Elements::ANY>(img1, stride1, ANY ? p.img1.element_bytes : bytes_of(first_type(PAIR)), wanted, x);
    load_bits<Elements::ANY>(img2, stride2, ANY ? p.img2.element_bytes : bytes_of(second_type(PAIR)), wanted, y);
}

template <Elements PAIR>
__device__ __forceinline__ void load_quads(const char* img1, const char* img2, const StripParams& p, float (&x)[QUAD],
                                           float (&y)[QUAD]) {
    constexpr bool ANY = PAIR == Elements::ANY;
    load_quad<Elements::ANY>(img1, ANY ? p.img1.element_bytes : bytes_of(first_type(PAIR)), x);
    load_quad<Elements::ANY>(img2, ANY ? p.img2.element_bytes : bytes_of(second_type(PAIR)), y);
}

// Puts the sum and the difference of two pixels in their place, after scaling them. Of each only the result is rounded: the
// difference of pixels that are nearly equal would drown in the roundings of the products.
__device__ __forceinline__ void scaled_sum_and_difference(float& x, float& y, const StripParams& p) {
    const float scaled = p.scale2 * y;
    const float lost = fmaf(p.scale2, y, -scaled);
    const float sum = fmaf(p.scale1, x, scaled) + lost;
    y = fmaf(p.scale1, x, -scaled) - lost;
    x = sum;
}

// u and v of numbers that were put in their place.
template <int COUNT>
__device__ __forceinline__ void sums_and_differences_of_numbers(bool scaled, const StripParams& p, float (&u)[COUNT],
                                                                float (&v)[COUNT]) {
    if (scaled) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) scaled_sum_and_difference(u[i], v[i], p);
        return;
    }
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        const float sum = u[i] + v[i];
        v[i] = u[i] - v[i];
        u[i] = sum;
    }
}

// 2^23 and 1.5 2^23: the unit of the numbers around them is 1, so that an integer which is added to their bits is added.
constexpr float LARGE = 8388608.0f;
constexpr float MIDDLE = 12582912.0f;

// Bytes added to LARGE.
template <bool PACKED>
__device__ __forceinline__ float large_byte(const float (&bits)[GROUP], int i) {
    const unsigned large = __float_as_uint(LARGE);
    return __uint_as_float(PACKED ? with_low_byte(large, __float_as_uint(bits[0]), i)
                                  : large | __float_as_uint(bits[i]));
}

// Bytes of the same scale, a power of two. Nothing is rounded, and the multiplication takes off what was added.
template <bool PACKED>
__device__ __forceinline__ void sums_and_differences_of_bytes(const float (&x)[GROUP], const float (&y)[GROUP],
                                                              float scale, float (&u)[GROUP], float (&v)[GROUP]) {
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        if (PACKED) {
            const float byte1 = large_byte<PACKED>(x, i);
            const float byte2 = large_byte<PACKED>(y, i);
            u[i] = fmaf(byte1, scale, fmaf(byte2, scale, -2.0f * LARGE * scale));
            v[i] = (byte1 - byte2) * scale;
        } else {
            const unsigned byte1 = __float_as_uint(x[i]);
            const unsigned byte2 = __float_as_uint(y[i]);
            u[i] = fmaf(__uint_as_float(__float_as_uint(LARGE) + byte1 + byte2), scale, -LARGE * scale);
            v[i] = fmaf(__uint_as_float(__float_as_uint(MIDDLE) + byte1 - byte2), scale, -MIDDLE * scale);
        }
    }
}

// Floats beside bytes whose scale is a power of two: of each sum and difference only the result is rounded.
template <bool PACKED>
__device__ __forceinline__ void sums_and_differences_of_floats_and_bytes(const float (&x)[GROUP],
                                                                         const float (&y)[GROUP], const StripParams& p,
                                                                         float (&u)[GROUP], float (&v)[GROUP]) {
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        const float scaled = fmaf(large_byte<PACKED>(y, i), p.scale2, -LARGE * p.scale2);
        u[i] = fmaf(p.scale1, x[i], scaled);
        v[i] = fmaf(p.scale1, x[i], -scaled);
    }
}

// u and v of the bits of a PAIR; of any pair for Elements::ANY. packed: a quad of each image was loaded at once.
template <Elements PAIR>
__device__ __forceinline__ void sums_and_differences(const float (&x)[GROUP], const float (&y)[GROUP], bool packed,
                                                     const StripParams& p, float (&u)[GROUP], float (&v)[GROUP]) {
    if constexpr (PAIR == Elements::U8) {
        if (packed)
            sums_and_differences_of_bytes<true>(x, y, p.scale1, u, v);
        else
            sums_and_differences_of_bytes<false>(x, y, p.scale1, u, v);
    } else if constexpr (PAIR == Elements::F32_U8) {
        if (packed)
            sums_and_differences_of_floats_and_bytes<true>(x, y, p, u, v);
        else
            sums_and_differences_of_floats_and_bytes<false>(x, y, p, u, v);
    } else {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            u[i] = x[i];
            v[i] = y[i];
        }
        const int type1 = PAIR == Elements::ANY ? p.img1.element : first_type(PAIR);
        const int type2 = PAIR == Elements::ANY ? p.img2.element : second_type(PAIR);
        if (packed) {
            convert_quad(u, type1);
            convert_quad(v, type2);
        } else {
            convert_elements(u, type1);
            convert_elements(v, type2);
        }
        const bool may_be_scaled = PAIR == Elements::ANY || PAIR == Elements::F32;
        sums_and_differences_of_numbers(may_be_scaled && p.pixel_mode & PIXELS_SCALED, p, u, v);
    }
}
