// Horizontal part: vertically filtered partial planes and the pixels -> gradient of img1, or those of
// both images, one group of columns a thread.
#pragma once

#include "partial_columns.cuh"

// FILTERED_AT: the SharedRows that it reads. LOSS: whether the gradient is that of a loss. MEAN: of the map and of the loss.
// GRADS: how many gradients, two of them for plain means of the map alone.
template <Elements ELEMENTS, typename FILTERED_AT, bool LOSS, Mean MEAN = Mean::PLAIN, int GRADS = 1>
struct GradientGroups {
    static_assert(GRADS == 1 || (!LOSS && MEAN == Mean::PLAIN), "there is no second gradient of these");
    const StripParams& p;
    const float* filtered;
    const char* img1;    // the group's pixels in the row of the stage
    const char* img2;
    char* grad;
    int row;              // of the stage, from the strip's first
    int rows;             // of the strip with columns of the group, none if the group has none
    int columns;          // of the group that lie in the image and in the strip
    bool loads_quads;     // of both images, in every row
    bool stores_quads;    // of the gradient, in every row
    bool stores_quads2;
    float scale;
    float scale2;         // these two used where there are two gradients
    float pixel_scale;    // used where the mean is weighted
    float x[GROUP];       // of the stage: bits of the elements, then sums and differences of pixels
    float y[GROUP];
    float weight[GROUP];    // bits of those of the stage, for a loss with weights
    PixelLoss<LOSS> loss;
    PixelWeights<LOSS && MEAN == Mean::WEIGHTED> weights;

    // Without a group until begin().
    explicit __device__ __forceinline__ GradientGroups(const StripParams& params)
        : p(params), filtered(nullptr), img1(nullptr), img2(nullptr), grad(nullptr), row(0), rows(0), columns(0),
          loads_quads(false), stores_quads(false), stores_quads2(false), scale(0.0f), scale2(0.0f), pixel_scale(0.0f),
          x{}, y{}, weight{}, weights(params) {}

    __device__ __forceinline__ GradientGroups(const StripParams& params, const Strip& strip, int out_columns,
                                              int stage_row, const GroupPlace& place, const float* filtered_rows)
        : GradientGroups(params) {
        begin(strip, out_columns, stage_row, place, filtered_rows);
    }

    // The rows of the thread's first stage begin at stage_row. For whole warps.
    __device__ __forceinline__ void begin(const Strip& strip, int out_columns, int stage_row, const GroupPlace& place,
                                          const float* filtered_rows) {
        filtered = filtered_rows + FILTERED_AT::offset(place);
        const int column = strip.column + place.column;
        const int image_row = stage_row + place.row;
        weights.begin(p, strip.plane, image_row, column);
        img1 = pixel_address(p.img1, p, strip.plane, image_row, column);
        img2 = pixel_address(p.img2, p, strip.plane, image_row, column);
        grad = pixel_address(p.grad, p, strip.plane, image_row, column);
        row = image_row - strip.row;
        columns = min(GROUP, min(strip.column + out_columns, p.width) - column);
        rows = columns > 0 ? strip.row_end - strip.row : 0;
        loads_quads = has_quads(p.img1, img1) && has_quads(p.img2, img2) && columns == GROUP;
        stores_quads = has_quads(p.grad, grad) && columns == GROUP;
        scale = p.grad_scale;
        if constexpr (MEAN == Mean::WEIGHTED) {
            pixel_scale = p.pixel_grad_scale;
            if (p.weight_sums != nullptr) {
                const int parts = p.weight_parts;
                const double* const sums = p.weight_sums + 2LL * parts * (strip.plane / p.planes_per_group);
                scale = static_cast<float>(divided(scale, total_weight(sums, parts)));
                if (LOSS) pixel_scale = static_cast<float>(divided(pixel_scale, total_weight(sums + parts, parts)));
            }
        }
        if constexpr (GRADS == 2) {
            char* const grad2 = pixel_address(p.grad2, p, strip.plane, strip.row, column);
            second_gradient() = grad2;
            stores_quads2 = has_quads(p.grad2, grad2) && columns == GROUP;
            scale2 = p.grad_scale2;
        }
        if (p.upstream_mode == UPSTREAM_GROUP) {
            const float upstream = p.upstream[strip.plane / p.planes_per_group];
            scale *= upstream;
            if constexpr (GRADS == 2) scale2 *= upstream;
        }
    }

    // The row of this stage has pixels to write.
    __device__ __forceinline__ bool active() const { return static_cast<unsigned>(row) < static_cast<unsigned>(rows); }

    // Starts loading the pixels of this stage, which were read before and come from L1 or L2 now.
    __device__ __forceinline__ void fetch() {
        if (!active()) return;
        if constexpr (LOSS && MEAN == Mean::WEIGHTED) {
            bool has_weight[GROUP];
#pragma unroll
            for (int i = 0; i < GROUP; i++) has_weight[i] = i < columns;
            weights.load_row(has_weight, weight);
        }
        if (loads_quads) {
            load_quads<ELEMENTS>(img1, img2, p, x, y);
            return;
        }
        bool valid[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) valid[i] = i < columns;
        load_pairs<ELEMENTS>(img1, img2, p, p.img1.stride_w, p.img2.stride_w, valid, x, y);
    }

    // The rest of the stage that fetch() began.
    __device__ __forceinline__ void step(int buffer) {
        if (active()) {
            const float* from = filtered + buffer * PARTIALS<GRADS> * FILTERED_AT::PLANE;
            float g[PARTIALS<GRADS>][GROUP];
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++) horizontal_filter(from + i * FILTERED_AT::PLANE, p, g[i]);
            float u[GROUP];
            float v[GROUP];
            sums_and_differences<ELEMENTS>(x, y, loads_quads, p, u, v);
            // In their place: backward.cu has no registers to spare.
#pragma unroll
            for (int i = 0; i < GROUP; i++) {
                x[i] = u[i];
                y[i] = v[i];
            }
            write(g);
        }
        row += STAGE_ROWS;
        img1 += STAGE_ROWS * p.img1.stride_h;
        img2 += STAGE_ROWS * p.img2.stride_h;
        grad += STAGE_ROWS * p.grad.stride_h;
        weights.next_stage();
    }

    __device__ __forceinline__ void write(const float (&g)[PARTIALS<GRADS>][GROUP]) {
        bool valid[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) valid[i] = i < columns;
        float out[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) out[i] = scale * fmaf(x[i], g[1][i], fmaf(y[i], g[2][i], g[0][i]));
        // A part without weight has no say, whatever it is.
        if constexpr (LOSS || MEAN == Mean::WEIGHTED) {
#pragma unroll
            for (int i = 0; i < GROUP; i++)
                if (scale == 0.0f) out[i] = 0.0f;
        }
        if constexpr (LOSS) {
            float pixel[GROUP];
            float derivative[GROUP];
            if constexpr (MEAN == Mean::WEIGHTED) {
                convert_weights(weights.mask, weight);
                hide(weight, y);
            }
            compare(y, p, pixel, derivative);
            if constexpr (MEAN == Mean::WEIGHTED) {
                // Pixels that are not valid have no weight.
                loss.sum.add(weighted_sum(weight, pixel));
#pragma unroll
                for (int i = 0; i < GROUP; i++)
                    if (pixel_scale != 0.0f) out[i] = fmaf(pixel_scale * weight[i], derivative[i], out[i]);
            } else {
                loss.add(pixel, valid);
                const float factor = p.pixel_grad_scale;
#pragma unroll
                for (int i = 0; i < GROUP; i++)
                    if (factor != 0.0f) out[i] = fmaf(factor, derivative[i], out[i]);
            }
        }
        store(p.grad, grad, stores_quads, valid, out);
        if constexpr (GRADS == 2) {
#pragma unroll
            for (int i = 0; i < GROUP; i++) out[i] = scale2 * fmaf(x[i], g[1][i], fmaf(-y[i], g[2][i], g[3][i]));
            store(p.grad2, second_gradient() + row * p.grad2.stride_h, stores_quads2, valid, out);
        }
    }

    // Where the thread's part of the gradient of img2 begins in the strip's first row: there is no register for it.
    __device__ __forceinline__ static char*& second_gradient() {
        __shared__ char* address[STRIP_THREADS];
        return address[threadIdx.x];
    }

    __device__ __forceinline__ static void store(const Image& image, char* to, bool quads, const bool (&valid)[GROUP],
                                                 const float (&value)[GROUP]) {
        if (quads)
            store_quad<ELEMENTS>(to, image, value);
        else
            store_elements<ELEMENTS>(to, image, valid, value);
    }
};
