// SSIM with any window and mask: its sum, its map, the pixel losses, and what general_gradient.cu needs.
//
// pixels | vertical moments | horizontal moments, SSIM
//
// Each moment is a mean of differences from a pixel of its own window, and each variance a mean of squared distances from
// the mean, first down the columns and then across them, where the variance of the whole is the mean of the variances and
// of the squared distances of the means. So nothing cancels, whatever the image.
#include "general.cuh"

// Rows of a tile in shared memory: what the parts hand to each other.
struct MapRows {
    float* u;    // pixels with a halo all around
    float* v;
    float* weight;    // of the pixels, for a normalised mask
    float* mean_u;    // vertical moments with a halo to the left and right
    float* mean_v;
    float* var_u;
    float* var_v;
    float* inside;    // weight inside the vertical window, for a normalised mask

    __device__ __forceinline__ MapRows(const GeneralParams& p, const GeneralTile& tile, float* shared,
                                       bool normalized) {
        const int pixels = (GENERAL_ROWS + 2 * p.radius) * tile.pitch;
        const int rows = GENERAL_ROWS * tile.pitch;
        u = shared;
        v = u + pixels;
        mean_u = v + pixels;
        mean_v = mean_u + rows;
        var_u = mean_v + rows;
        var_v = var_u + rows;
        weight = var_v + rows;
        inside = weight + (normalized ? pixels : 0);
    }
};

// Fills the pixels; zero outside of the image. FLOATS: both images are f32, and no mask changes their pixels.
template <bool NORMALIZED, bool FLOATS>
__device__ __forceinline__ void load_pixels(const GeneralParams& p, const GeneralTile& tile, const MapRows& rows) {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int left = tile.column - p.radius;
    for (int r = warp; r < GENERAL_ROWS + 2 * p.radius; r += WARPS) {
        const int row = tile.row - p.radius + r;
        const bool row_inside = in_range(row, 0, p.height);
        const char* const row1 = element_address(p.img1, tile.image, tile.channel, row, left);
        const char* const row2 = element_address(p.img2, tile.image, tile.channel, row, left);
        for (int c = lane; c < tile.columns; c += 32) {
            float u = 0.0f;
            float v = 0.0f;
            float weight = 0.0f;
            if (row_inside && in_range(left + c, 0, p.width)) {
                if (FLOATS) {
                    const float x = load_element(row1 + c * p.img1.stride_w, ELEMENT_F32);
                    const float y = load_element(row2 + c * p.img2.stride_w, ELEMENT_F32);
                    scaled_sum_and_difference(p, x, y, u, v);
                } else {
                    const GeneralPixel pixel(p, tile, row, left + c);
                    u = pixel.u;
                    v = pixel.v;
                    weight = pixel.weight;
                }
            }
            const int at = r * tile.pitch + c;
            rows.u[at] = u;
            rows.v[at] = v;
            if (NORMALIZED) rows.weight[at] = weight;
        }
    }
}

// Means and variances of u and v in GROUP windows, and the weight inside of them.
template <bool NORMALIZED>
struct Moments {
    float mean_u[GROUP];
    float mean_v[GROUP];
    float var_u[GROUP] = {};
    float var_v[GROUP] = {};
    float inside[GROUP] = {};

    // `stride`: from one sample to the next. Samples are means with variances in the horizontal part, where HAS_VARIANCES,
    // and pixels in the vertical one. The samples' weights count if NORMALIZED.
    template <bool HAS_VARIANCES>
    __device__ __forceinline__ void filter(const GeneralParams& p, const float* u, const float* v, const float* uu,
                                           const float* vv, const float* weights, int stride) {
        const int size = 2 * p.radius + 1;
        float centre_u[GROUP];
        float centre_v[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            centre_u[i] = u[(i + p.radius) * stride];
            centre_v[i] = v[(i + p.radius) * stride];
            mean_u[i] = mean_v[i] = 0.0f;
        }
        float sample_u = 0.0f;
        float sample_v = 0.0f;
        float spread_u = 0.0f;
        float spread_v = 0.0f;
        float sample_weight = 1.0f;
        slide(
            p.taps, size,
            [&](int k) {
                sample_u = u[k * stride];
                sample_v = v[k * stride];
                if (NORMALIZED) sample_weight = weights[k * stride];
            },
            [&](int i, float tap) {
                const float weight = NORMALIZED ? tap * sample_weight : tap;
                if (NORMALIZED) inside[i] += weight;
                mean_u[i] = fmaf(weight, sample_u - centre_u[i], mean_u[i]);
                mean_v[i] = fmaf(weight, sample_v - centre_v[i], mean_v[i]);
            });
        float per_weight[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            per_weight[i] = NORMALIZED ? (inside[i] > 0.0f ? 1.0f / inside[i] : 0.0f) : 1.0f;
            mean_u[i] = fmaf(mean_u[i], per_weight[i], centre_u[i]);
            mean_v[i] = fmaf(mean_v[i], per_weight[i], centre_v[i]);
        }
        slide(
            p.taps, size,
            [&](int k) {
                sample_u = u[k * stride];
                sample_v = v[k * stride];
                if (HAS_VARIANCES) {
                    spread_u = uu[k * stride];
                    spread_v = vv[k * stride];
                }
                if (NORMALIZED) sample_weight = weights[k * stride];
            },
            [&](int i, float tap) {
                const float weight = NORMALIZED ? tap * sample_weight : tap;
                const float du = sample_u - mean_u[i];
                const float dv = sample_v - mean_v[i];
                var_u[i] = fmaf(weight, fmaf(du, du, spread_u), var_u[i]);
                var_v[i] = fmaf(weight, fmaf(dv, dv, spread_v), var_v[i]);
            });
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            if (NORMALIZED) {
                var_u[i] *= per_weight[i];
                var_v[i] *= per_weight[i];
            }
        }
    }
};

template <bool NORMALIZED>
__device__ __forceinline__ void vertical_moments(const GeneralParams& p, const GeneralTile& tile, const MapRows& rows) {
    const int first = static_cast<int>(threadIdx.x) / 32 * GROUP * tile.pitch;
    for (int c = static_cast<int>(threadIdx.x) % 32; c < tile.columns; c += 32) {
        const int at = first + c;
        Moments<NORMALIZED> moments;
        moments.template filter<false>(p, rows.u + at, rows.v + at, nullptr, nullptr, rows.weight + at, tile.pitch);
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const int to = at + i * tile.pitch;
            rows.mean_u[to] = moments.mean_u[i];
            rows.mean_v[to] = moments.mean_v[i];
            rows.var_u[to] = moments.var_u[i];
            rows.var_v[to] = moments.var_v[i];
            if (NORMALIZED) rows.inside[to] = moments.inside[i];
        }
    }
}

// SSIM at one pixel, and what of its derivatives the gradient is made of. moments.cuh has the formulas; the parts that
// belong to the means alone are kept apart from those that multiply a pixel's distance from its mean.
struct GeneralSsim {
    float dissimilarity;    // 1 - SSIM
    float pu;               // 2 dS/d(u^2)
    float pv;
    float lu;    // luminance parts: dS/d(mean of x) = lu - lv - mu pu - mv pv
    float lv;

    __device__ __forceinline__ GeneralSsim(const GeneralParams& p, float mu, float mv, float var_u, float var_v) {
        const float mu2 = mu * mu;
        const float mv2 = mv * mv;
        const float t1 = mu2 + p.two_c1;
        const float t2 = var_u + p.two_c2;
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
        lu = mu * (e * mv2);
        lv = mv * (e * t1);
    }
};

// What a block adds up.
struct MapSums {
    double dissimilarity = 0.0;
    double pixels = 0.0;
};

template <bool NORMALIZED>
__device__ __forceinline__ MapSums horizontal_moments(const GeneralParams& p, const GeneralTile& tile,
                                                      const MapRows& rows) {
    const GeneralGroup group(tile);
    const int at = group.tile_row * tile.pitch + group.tile_column;
    Moments<NORMALIZED> moments;
    moments.template filter<true>(p, rows.mean_u + at, rows.mean_v + at, rows.var_u + at, rows.var_v + at,
                                  rows.inside + at, 1);
    const bool own_row = in_range(group.row, p.own_begin, p.own_end);
    const bool own_map_row = own_row && in_range(group.row, p.map_top, p.map_bottom);
    const bool present_row = in_range(group.row, p.present_top, p.present_bottom);
    const bool weights_mean = p.mask_mode == MASK_WEIGHTED_MEAN || NORMALIZED;
    const float* const own_v = rows.v + (group.tile_row + p.radius) * tile.pitch + group.tile_column + p.radius;
    const bool kept_row = p.planes != nullptr && in_range(group.row, p.row_begin, p.row_end);
    const PartialPixels partials(p);
    const long long kept = PartialPixels::offset(p, tile, group.row, group.column);
    MapSums sums;
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        const int column = group.column + i;
        const bool in_map = present_row && in_range(column, p.map_left, p.map_right);
        const bool own_pixel = own_row && column < p.width;
        float weight = 1.0f;
        if (weights_mean && (in_map || own_pixel))
            weight = load_weight(p.mask, tile.image, tile.channel, group.row, column);
        if (p.pixel_loss != PIXEL_NONE && own_pixel)
            sums.pixels += static_cast<double>(weighted(weight, PixelDifference(p, own_v[i]).value));
        float4 means = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        float2 luminance = make_float2(0.0f, 0.0f);
        if (in_map) {
            const float mu = moments.mean_u[i];
            const float mv = moments.mean_v[i];
            const GeneralSsim ssim(p, mu, mv, moments.var_u[i], moments.var_v[i]);
            const long long map_row =
                static_cast<long long>(p.first_plane + tile.plane) * (p.map_bottom - p.map_top) + group.row - p.map_top;
            const long long map_at = map_row * (p.map_right - p.map_left) + column - p.map_left;
            if (own_map_row) {
                sums.dissimilarity += static_cast<double>(weighted(weight, ssim.dissimilarity));
                if (p.map != nullptr)
                    p.map[map_at] = weighted(weight, fmaf(-p.map_scale, ssim.dissimilarity, p.map_base));
            }
            float factor = weight;
            if (p.upstream_mode == UPSTREAM_MAP) factor = weighted(weight, __ldg(p.upstream + map_at));
            if (NORMALIZED) factor = moments.inside[i] > 0.0f ? factor / moments.inside[i] : 0.0f;
            // A mean that counts for nothing may be NaN, and stays out.
            if (factor != 0.0f) {
                means = make_float4(mu, mv, factor * ssim.pu, factor * ssim.pv);
                luminance = make_float2(factor * ssim.lu, factor * ssim.lv);
            }
        }
        if (kept_row && column < p.width) {
            partials.means[kept + i] = means;
            partials.luminance[kept + i] = luminance;
        }
    }
    return sums;
}

template <bool NORMALIZED>
__device__ __forceinline__ void general_map(const GeneralParams& p) {
    const GeneralTile tile(p, p.row_begin);
    const MapRows rows(p, tile, dynamic_shared(), NORMALIZED);
    const bool floats = p.img1.element == ELEMENT_F32 && p.img2.element == ELEMENT_F32;
    if (!NORMALIZED && floats && p.mask_mode != MASK_MULTIPLY_INPUTS)
        load_pixels<NORMALIZED, true>(p, tile, rows);
    else
        load_pixels<NORMALIZED, false>(p, tile, rows);
    __syncthreads();
    vertical_moments<NORMALIZED>(p, tile, rows);
    __syncthreads();
    const MapSums sums = horizontal_moments<NORMALIZED>(p, tile, rows);
    double totals[] = {sums.dissimilarity, sums.pixels};
    block_sums<GENERAL_THREADS>(totals);
    if (threadIdx.x != 0) return;
    p.sums[blockIdx.x] = totals[0];
    if (p.pixel_loss != PIXEL_NONE) p.pixel_sums[blockIdx.x] = totals[1];
}

extern "C" __global__ void __launch_bounds__(GENERAL_THREADS, 5)
    fssim_general_map(const __grid_constant__ GeneralParams p) {
    general_map<false>(p);
}

extern "C" __global__ void __launch_bounds__(GENERAL_THREADS, 5)
    fssim_general_map_normalized(const __grid_constant__ GeneralParams p) {
    general_map<true>(p);
}
