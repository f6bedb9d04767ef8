// The part of a training loss that compares single pixels, by their difference v = x - y.
#pragma once

#include "pixel_pairs.cuh"

// Sum of many values of like size in a pair of floats: the error does not grow with their number, as it would in one
// float when a thousand nearly equal values round the same way.
struct CompensatedSum {
    float high = 0.0f;
    float low = 0.0f;

    __device__ __forceinline__ void add(float value) {
        const float total = high + value;
        low += value - (total - high);
        high = total;
    }

    __device__ __forceinline__ double total() const { return static_cast<double>(high) + static_cast<double>(low); }
};

// |v| or v^2 of some pixels and, up to a factor, the derivative: 0 for 0, NaN for NaN. One branch for the whole grid.
template <int COUNT>
__device__ __forceinline__ void compare(const float (&v)[COUNT], const StripParams& p, float (&loss)[COUNT],
                                        float (&derivative)[COUNT]) {
    if (p.pixel_loss == PIXEL_L2) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            loss[i] = v[i] * v[i];
            derivative[i] = v[i];
        }
        return;
    }
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        loss[i] = fabsf(v[i]);
        const float sign = __uint_as_float((__float_as_uint(v[i]) & 0x80000000u) | __float_as_uint(1.0f));
        derivative[i] = loss[i] > 0.0f ? sign : v[i];
    }
}

// A thread's sum of pixel losses. WANTED: the kernel computes a loss; others have nothing of it.
template <bool WANTED>
struct PixelLoss {
    CompensatedSum sum;

    // Adds those of the pixels that are its own.
    __device__ __forceinline__ void add(const float (&loss)[GROUP], const bool (&own)[GROUP]) {
        float total = 0.0f;
#pragma unroll
        for (int i = 0; i < GROUP; i++) total += own[i] ? loss[i] : 0.0f;
        sum.add(total);
    }
};

template <>
struct PixelLoss<false> {};
