// Weights of pixels: floats, or bytes of which 0 is 0 and everything else 1.
#pragma once

#include "elements.cuh"

// How a mean is taken: over all pixels alike, or weighted by the mask.
enum class Mean { PLAIN, WEIGHTED };

// The product, but 0 for a weight of 0, whatever the value: what is masked out may be NaN.
__device__ __forceinline__ float weighted(float weight, float value) { return weight == 0.0f ? 0.0f : weight * value; }

template <int COUNT>
__device__ __forceinline__ bool has_zeros(const float (&weight)[COUNT]) {
    bool zeros = false;
#pragma unroll
    for (int i = 0; i < COUNT; i++) zeros = zeros || weight[i] == 0.0f;
    return zeros;
}

// The products of weights and the values of some planes, as above. zeros: has_zeros(weight), which is rarely so.
template <int PLANES, int COUNT>
__device__ __forceinline__ void weigh(const float (&weight)[COUNT], bool zeros, float (&value)[PLANES][COUNT]) {
    if (zeros) {
#pragma unroll
        for (int k = 0; k < PLANES; k++)
#pragma unroll
            for (int i = 0; i < COUNT; i++) value[k][i] = weight[i] == 0.0f ? 0.0f : value[k][i];
    }
#pragma unroll
    for (int k = 0; k < PLANES; k++)
#pragma unroll
        for (int i = 0; i < COUNT; i++) value[k][i] *= weight[i];
}

template <int COUNT>
__device__ __forceinline__ void weigh(const float (&weight)[COUNT], float (&value)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) value[i] = weighted(weight[i], value[i]);
}

// The weight that an element's bits stand for.
__device__ __forceinline__ float weight_of_bits(const Image& mask, float bits) {
    return mask.element == ELEMENT_U8 && __float_as_uint(bits) != 0 ? 1.0f : bits;
}

__device__ __forceinline__ float load_weight(const Image& mask, const char* address) {
    const bool bytes = mask.element == ELEMENT_U8;
    return weight_of_bits(mask, bytes ? load_bits<unsigned char>(address) : load_bits<unsigned>(address));
}

// The bits of weights `stride` bytes apart; those that are not wanted are 0, and are not touched.
template <int COUNT>
__device__ __forceinline__ void load_weight_bits(const Image& mask, const char* first, long long stride,
                                                 const bool (&wanted)[COUNT], float (&bits)[COUNT]) {
    if (mask.element == ELEMENT_U8)
        load_bits<unsigned char>(first, stride, wanted, bits);
    else
        load_bits<unsigned>(first, stride, wanted, bits);
}

// Makes weights of bits.
template <int COUNT>
__device__ __forceinline__ void convert_weights(const Image& mask, float (&bits)[COUNT]) {
    if (mask.element != ELEMENT_U8) return;
#pragma unroll
    for (int i = 0; i < COUNT; i++) bits[i] = weight_of_bits(mask, bits[i]);
}

template <int COUNT>
__device__ __forceinline__ void load_weights(const Image& mask, const char* first, long long stride,
                                             const bool (&wanted)[COUNT], float (&weight)[COUNT]) {
    load_weight_bits(mask, first, stride, wanted, weight);
    convert_weights(mask, weight);
}

// A factor divided by the sum of weights. Where there is no weight nothing is compared, and nothing is left of it.
__device__ __forceinline__ double divided(double factor, double total) { return total == 0.0 ? 0.0 : factor / total; }
