// Gradients from the planes that general_map.cu left, and the pixels.
//
// With g the upstream gradient times the mask of each map pixel i, and w the taps, the gradients of img1 and img2 are X + Y
// and X - Y of
//
//   X_j = sum_i w_ij g_i [ lu_i + (u_j - mu_i) pu_i ]      Y_j = sum_i w_ij g_i [ -lv_i + (v_j - mv_i) pv_i ]
//
// The textbook filters mu_i pu_i and pu_i and takes the difference afterwards; in bright flat regions all of the precision is
// lost there. Here every pixel and mean is taken relative to a mean nearby, the origin of its column: the vertical part
// filters lu_i - (mu_i - origin) pu_i, the horizontal one adds (u_j - origin) times the filtered pu.
#include "general.cuh"

// Planes in shared memory: u's filtered luminance part, filtered pu and origin, and the same of v.
constexpr int FILTERED = 6;
static_assert(FILTERED == GENERAL_PLANES, "the host reckons with as many");

// Below this sum of weights a mean is not divided by it: the quotient might overflow, and 0 is as good an origin.
constexpr float SMALLEST_SHARE = 1e-37f;

__device__ __forceinline__ void vertical_partials(const GeneralParams& p, const GeneralTile& tile, float* filtered) {
    const PartialPixels partials(p);
    const int warp_row = static_cast<int>(threadIdx.x) / 32 * GROUP;
    const int first_row = tile.row + warp_row - p.radius;
    const int plane = GENERAL_ROWS * tile.pitch;
    for (int c = static_cast<int>(threadIdx.x) % 32; c < tile.columns; c += 32) {
        const int column = tile.column - p.radius + c;
        float out[FILTERED][GROUP] = {};
        if (in_range(column, 0, p.width)) {
            const long long first = PartialPixels::offset(p, tile, first_row, column);
            long long next = first;
            // Rows outside of the planes have no derivatives.
            float4 means;
            const auto load_means = [&](int k) {
                means = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
                if (in_range(first_row + k, p.row_begin, p.row_end)) means = __ldg(partials.means + next);
            };
            // The origins: means of the window, weighted by what their derivatives add, so that a mean that counts for
            // little, or for nothing because it is masked or outside of the map, may be far away.
            float share[GROUP] = {};
            slide(
                p.taps, 2 * p.radius + 1,
                [&](int k) {
                    load_means(k);
                    next += p.width;
                },
                [&](int i, float tap) {
                    const float weight = tap * fabsf(means.w);
                    share[i] += weight;
                    out[2][i] = fmaf(weight, means.x, out[2][i]);
                    out[5][i] = fmaf(weight, means.y, out[5][i]);
                });
#pragma unroll
            for (int i = 0; i < GROUP; i++) {
                const float per_share = share[i] > SMALLEST_SHARE ? 1.0f / share[i] : 0.0f;
                out[2][i] *= per_share;
                out[5][i] *= per_share;
            }
            float2 luminance;
            next = first;
            slide(
                p.taps, 2 * p.radius + 1,
                [&](int k) {
                    load_means(k);
                    luminance = make_float2(0.0f, 0.0f);
                    if (in_range(first_row + k, p.row_begin, p.row_end)) luminance = __ldg(partials.luminance + next);
                    next += p.width;
                },
                [&](int i, float tap) {
                    out[0][i] = fmaf(tap, fmaf(out[2][i] - means.x, means.z, luminance.x), out[0][i]);
                    out[1][i] = fmaf(tap, means.z, out[1][i]);
                    out[3][i] = fmaf(tap, fmaf(out[5][i] - means.y, means.w, -luminance.y), out[3][i]);
                    out[4][i] = fmaf(tap, means.w, out[4][i]);
                });
        }
        float* const to = filtered + warp_row * tile.pitch + c;
#pragma unroll
        for (int k = 0; k < FILTERED; k++)
#pragma unroll
            for (int i = 0; i < GROUP; i++) to[k * plane + i * tile.pitch] = out[k][i];
    }
}

// What every gradient of a group of planes is multiplied by.
struct GradientFactors {
    double map;
    double pixels;

    __device__ __forceinline__ GradientFactors(const GeneralParams& p, int plane)
        : map(p.grad_factor), pixels(p.pixel_factor) {
        const long long group = plane / p.planes_per_group;
        if (p.totals != nullptr) {
            map = divided(map, p.totals[2 * group]);
            pixels = divided(pixels, p.totals[2 * group + 1]);
        }
        if (p.upstream_mode == UPSTREAM_GROUP) map *= static_cast<double>(p.upstream[group]);
    }
};

__device__ __forceinline__ void store_gradient(const GeneralParams& p, const GeneralTile& tile, const Image& grad,
                                               int row, int column, float value) {
    store_element(element_address(grad, tile.image, tile.channel, row - p.grad_row, column), grad.element, value);
}

__device__ __forceinline__ void horizontal_partials(const GeneralParams& p, const GeneralTile& tile,
                                                    const float* filtered) {
    const GeneralGroup group(tile);
    if (group.row >= p.own_end || group.column >= p.width) return;
    float u[GROUP] = {};
    float v[GROUP] = {};
    float weight[GROUP] = {};
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        if (group.column + i >= p.width) continue;
        const GeneralPixel pixel(p, tile, group.row, group.column + i);
        u[i] = pixel.u;
        v[i] = pixel.v;
        weight[i] = pixel.weight;
    }
    const float* const from = filtered + group.tile_row * tile.pitch + group.tile_column;
    const int plane = GENERAL_ROWS * tile.pitch;
    float x[GROUP] = {};
    float y[GROUP] = {};
    float sample[FILTERED] = {};
    slide(
        p.taps, 2 * p.radius + 1,
        [&](int k) {
#pragma unroll
            for (int j = 0; j < FILTERED; j++) sample[j] = from[j * plane + k];
        },
        [&](int i, float tap) {
            x[i] = fmaf(tap, fmaf(u[i] - sample[2], sample[1], sample[0]), x[i]);
            y[i] = fmaf(tap, fmaf(v[i] - sample[5], sample[4], sample[3]), y[i]);
        });

    const GradientFactors factors(p, p.first_plane + tile.plane);
    const bool through_mask = p.mask_mode == MASK_MULTIPLY_INPUTS || p.mask_mode == MASK_NORMALIZED;
    const float map1 = static_cast<float>(factors.map * p.image_factor1);
    const float map2 = static_cast<float>(factors.map * p.image_factor2);
    const float pixels1 = static_cast<float>(factors.pixels * p.pixel_scale1);
    const float pixels2 = static_cast<float>(factors.pixels * p.pixel_scale2);
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        const int column = group.column + i;
        if (column >= p.width) continue;
        float grad1 = weighted(map1, x[i] + y[i]);
        float grad2 = weighted(map2, x[i] - y[i]);
        if (through_mask) {
            grad1 = weighted(weight[i], grad1);
            grad2 = weighted(weight[i], grad2);
        }
        if (p.pixel_loss != PIXEL_NONE) {
            const float derivative = weighted(weight[i], PixelDifference(p, v[i]).derivative);
            grad1 += weighted(pixels1, derivative);
            grad2 -= weighted(pixels2, derivative);
        }
        if (p.grad1.data != nullptr) store_gradient(p, tile, p.grad1, group.row, column, grad1);
        if (p.grad2.data != nullptr) store_gradient(p, tile, p.grad2, group.row, column, grad2);
    }
}

extern "C" __global__ void __launch_bounds__(GENERAL_THREADS, 4)
    fssim_general_gradient(const __grid_constant__ GeneralParams p) {
    float* const filtered = dynamic_shared();
    const GeneralTile tile(p, p.own_begin);
    vertical_partials(p, tile, filtered);
    __syncthreads();
    horizontal_partials(p, tile, filtered);
}
