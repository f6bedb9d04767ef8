// Asks for the rows that backward.cu will load, so that they are in L2 when it does.
//
// backward.cu waits for device memory, and has no registers to keep more loads under way. A prefetch takes none: lane k of a
// warp asks for one of STAGE_ROWS rows of one source, 128 bytes from where the warp's columns begin, which is all of them
// in a plane of floats; where a lane's rows are stands in shared memory. Measured on an H200 at 1920x1080 and 3840x2160,
// with nothing of them in L2: two stages ahead 58.6 us and 201 us, one 59.5 and 207, three 63.1 and 213, without 67.7 and
// 237. Right after fssim_forward it makes no difference at 1920x1080: L2 still has much of what that has written.
#pragma once

#include "partial_columns.cuh"

// The rows of one lane.
struct PrefetchRows {
    const char* first;       // at stage 0
    unsigned stage_bytes;    // from the row of a stage to that of the next
    int stages;              // that have a row
};
static_assert(sizeof(PrefetchRows) == 16, "one access");

constexpr int PREFETCH_BYTES = T * sizeof(PrefetchRows);

// GRADS: how many gradients there are.
template <int GRADS>
struct RowPrefetch {
    static constexpr int STAGES_AHEAD = 2;

    PrefetchRows* of_thread;

    // A strip whose partial derivatives begin RADIUS and whose gradients HALO rows above it in stage 0.
    __device__ __forceinline__ RowPrefetch(const StripParams& p, const Strip& strip, int t, void* shared)
        : of_thread(static_cast<PrefetchRows*>(shared) + t) {
        const int lane = t % 32;
        const int source = lane / STAGE_ROWS;
        const int column = t - lane;
        MapPixels pixel{p, strip.plane, strip.row - RADIUS + STAGES_AHEAD * STAGE_ROWS + lane % STAGE_ROWS,
                        strip.column - RADIUS + column};
        const char* first = nullptr;
        long long row_bytes = 0;
        int rows = 0;
        if (source < PARTIALS<GRADS>) {
            const float* plane = source == 0 ? p.saved_mean1 : source == 1 ? p.saved_pu : p.saved_pv;
            if (GRADS == 2 && source == 3) plane = p.saved_mean2;
            pixel.column = min(max(pixel.column, 0), p.saved_pitch - 1);
            first = reinterpret_cast<const char*>(plane + pixel.saved_offset());
            row_bytes = static_cast<long long>(p.saved_pitch) * sizeof(float);
            rows = min(p.height, strip.row_end + RADIUS) - pixel.row;
        } else if (source < PARTIALS<GRADS> + 2) {
            // Gradients are RADIUS rows behind, but their pixels are loaded a stage ahead.
            const int row = pixel.row - RADIUS + STAGE_ROWS;
            const Image& image = source == PARTIALS<GRADS> ? p.img1 : p.img2;
            first = pixel_address(image, p, strip.plane, row, min(strip.column + column, p.width - 1));
            row_bytes = image.stride_h;
            rows = strip.row_end - row;
        } else if (source == PARTIALS<GRADS> + 2 && p.upstream_mode == UPSTREAM_MAP) {
            // The map may begin below the first row: then one stage later.
            if (pixel.row < p.map_top) pixel.row += STAGE_ROWS;
            pixel.column = min(max(pixel.column, p.map_left), p.map_right - 1);
            first = reinterpret_cast<const char*>(p.upstream + pixel.map_offset(0));
            row_bytes = static_cast<long long>(p.map_right - p.map_left) * sizeof(float);
            rows = min(p.map_bottom, strip.row_end + RADIUS) - pixel.row;
        }
        const bool fits = row_bytes * STAGE_ROWS == static_cast<unsigned>(row_bytes * STAGE_ROWS);
        *of_thread = {first, static_cast<unsigned>(STAGE_ROWS * row_bytes),
                      fits ? (rows + STAGE_ROWS - 1) / STAGE_ROWS : 0};
    }

    __device__ __forceinline__ void step(int stage) const {
        const PrefetchRows rows = *of_thread;
        if (stage < rows.stages) prefetch(rows.first + static_cast<size_t>(rows.stage_bytes) * stage);
    }
};

static_assert(RADIUS <= RowPrefetch<1>::STAGES_AHEAD * STAGE_ROWS &&
                  HALO <= (RowPrefetch<1>::STAGES_AHEAD + 1) * STAGE_ROWS,
              "the first rows that are asked for must be in the image");
