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

// Makes values without weight 0, whatever they are, so that their products with the weights are.
template <int COUNT>
__device__ __forceinline__ void hide(const float (&weight)[COUNT], float (&value)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) value[i] = weight[i] == 0.0f ? 0.0f : value[i];
}

template <int COUNT>
__device__ __forceinline__ void weigh(const float (&weight)[COUNT], float (&value)[COUNT]) {
#pragma unroll
    for (int i = 0; i < COUNT; i++) value[i] = weighted(weight[i], value[i]);
}

// The weighted sum of QUAD values, none of them hidden.
__device__ __forceinline__ float weighted_sum(const float (&weight)[QUAD], const float (&value)[QUAD]) {
    return fmaf(weight[0], value[0], weight[1] * value[1]) + fmaf(weight[2], value[2], weight[3] * value[3]);
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

// Makes weights of bits. The loads are waited for here, behind the branch: without one ptxas waits much earlier.
template <int COUNT>
__device__ __forceinline__ void convert_weights(const Image& mask, float (&bits)[COUNT]) {
    if (mask.element != ELEMENT_U8) return;
#pragma unroll
    for (int i = 0; i < COUNT; i++) bits[i] = weight_of_bits(mask, bits[i]);
}

// The sum of a value over a warp, the same bits in all of its threads.
__device__ __forceinline__ double warp_sum(double value) {
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

// The sum of every STEP-th of `count` numbers, of which AT_ONCE are loaded together.
template <int STEP, int AT_ONCE>
__device__ __forceinline__ double strided_sum(const double* values, long long first, long long count) {
    double total = 0.0;
    for (long long i = first; i < count; i += AT_ONCE * STEP) {
        double value[AT_ONCE];
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) value[k] = i + k * STEP < count ? values[i + k * STEP] : 0.0;
#pragma unroll
        for (int k = 0; k < AT_ONCE; k++) total += value[k];
    }
    return total;
}

// The total of the parts of a sum of weights, the same bits in every warp that asks for it.
__device__ __forceinline__ double total_weight(const double* parts, int count) {
    return warp_sum(strided_sum<32, WEIGHT_PARTS / 32>(parts, threadIdx.x % 32, count));
}

// A factor divided by the sum of weights. Where there is no weight nothing is compared, and nothing is left of it.
__device__ __forceinline__ double divided(double factor, double total) { return total == 0.0 ? 0.0 : factor / total; }
