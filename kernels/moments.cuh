// From the four moments of a pixel to SSIM and its partial derivatives.
//
// With u = x + y, v = x - y, the window means mu, mv and variances s2u, s2v of u and v,
//   2A = mu^2 + mv^2 + 2 C1,  2C = mu^2 - mv^2 + 2 C1,  2B = s2u + s2v + 2 C2,  2D = s2u - s2v + 2 C2,  S = C D / (A B).
// Where x is close to y, as it is when a fit nears its end, v is small and its moments are exact to their own size:
// nothing of B - D = s2v or of the gradient is lost to cancellation, which in x and y it would be.
#pragma once

#include "pixel_columns.cuh"

// SSIM and its partial derivatives at one pixel.
struct PixelSsim {
    float dissimilarity;    // 1 - S = 1 - CD / (AB), without the subtraction: exactly 0 where the windows are equal
    float pu;               // 2 dS/d(u^2)
    float pv;               // 2 dS/d(v^2)
    float mean_u;           // parts of dS/d(mean of x) and dS/d(mean of y): mean_u - mean_v and mean_u + mean_v
    float mean_v;

    // m: means of u and v, variances of u and v. The gradient of img1 is G*(mean_u - mean_v) + u G*pu + v G*pv, that of img2 G*(mean_u + mean_v) + u G*pu - v G*pv.
    __device__ __forceinline__ PixelSsim(const float (&m)[MOMENTS], const StripParams& p) {
        const float mu2 = m[0] * m[0];
        const float mv2 = m[1] * m[1];
        const float var_v = m[3];
        const float t1 = mu2 + p.two_c1;
        const float t2 = m[2] + p.two_c2;
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
