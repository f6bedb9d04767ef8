// From two pixels to SSIM and its partial derivatives.
//
// The filters run on u = x + y and v = x - y and their squares. With the window means m and variances s2 of u and v,
//   2A = mu^2 + mv^2 + 2 C1,  2C = mu^2 - mv^2 + 2 C1,  2B = s2u + s2v + 2 C2,  2D = s2u - s2v + 2 C2,  S = C D / (A B).
// Where x is close to y, as it is when a fit nears its end, v is small and its moments are exact to their own size:
// nothing of B - D = s2v or of the gradient is lost to cancellation, which in x and y it would be.
#pragma once

#include "strip.cuh"

constexpr int MOMENTS = 4;     // planes u, v, u^2, v^2
constexpr int PARTIALS = 3;    // planes dS/du mean part, dS/d(u^2), dS/d(v^2), each combined for one image

// Vertical filters of the four moment planes of one column.
struct MomentFilters {
    VerticalFilter u, v, uu, vv;

    __device__ __forceinline__ void clear() {
        u.clear();
        v.clear();
        uu.clear();
        vv.clear();
    }

    // Takes the pixels of one row and writes the four filtered samples `plane_pitch` floats apart.
    __device__ __forceinline__ void push(float x, float y, const StripParams& p, float* out, int plane_pitch) {
        // Rounded products, not fused into the difference: equal pixels must give exactly 0.
        x = __fmul_rn(x, p.inv_range);
        y = __fmul_rn(y, p.inv_range);
        const float su = x + y;
        const float sv = x - y;
        out[0] = u.push(su, p);
        out[plane_pitch] = v.push(sv, p);
        out[2 * plane_pitch] = uu.push(su * su, p);
        out[3 * plane_pitch] = vv.push(sv * sv, p);
    }
};

// SSIM and its partial derivatives at one pixel.
struct PixelSsim {
    float dissimilarity;    // 1 - S = 1 - CD / (AB), without the subtraction: exactly 0 where the windows are equal
    float pu;               // 2 dS/d(u^2)
    float pv;               // 2 dS/d(v^2)
    float mean_u;           // parts of dS/d(mean of x) and dS/d(mean of y): mean_u - mean_v and mean_u + mean_v
    float mean_v;

    // The gradient of img1 is G*(mean_u - mean_v) + u G*pu + v G*pv, that of img2 G*(mean_u + mean_v) + u G*pu - v G*pv.
    __device__ __forceinline__ PixelSsim(const float (&m)[MOMENTS], const StripParams& p) {
        const float mu2 = m[0] * m[0];
        const float mv2 = m[1] * m[1];
        const float var_v = m[3] - mv2;
        const float t1 = mu2 + p.two_c1;
        const float t2 = (m[2] - mu2) + p.two_c2;
        const float a = t1 + mv2;
        const float c = t1 - mv2;
        const float b = t2 + var_v;
        const float d = t2 - var_v;
        const float r = 2.0f * reciprocal(a * b);
        dissimilarity = fmaf(t1, var_v, mv2 * t2) * r;
        const float k = (c * r) * (a * r);
        const float e = (d * r) * (b * r);
        pu = k * var_v;
        pv = -k * t2;
        mean_u = m[0] * fmaf(e, mv2, -pu);
        mean_v = m[1] * fmaf(e, t1, pv);
    }
};

__device__ __forceinline__ bool in_range(int index, int begin, int end) {
    return index >= begin && index < end;
}
