// Strip marching, the shape that all kernels here share.
//
// A block owns a strip of columns and a chunk of rows of one plane and walks down it STAGE_ROWS rows at a time. Both
// filter directions stay on the chip:
//
//   vertical    One thread per column. A transposed FIR keeps the ten partial sums of the coming rows in registers, so a
//               pixel is loaded once, straight from global memory, and no ring of rows exists anywhere. Consecutive
//               threads read consecutive columns: coalesced for unit stride at any alignment or width.
//   horizontal  The vertically filtered rows pass through shared memory. A thread then takes GROUP consecutive columns of
//               one row: 16 floats in four 16-byte loads (neighbouring threads overlap, which shared memory serves
//               without bank conflicts) give four outputs of 44 multiply-adds.
//
// T threads are T columns in a vertical part and STAGE_ROWS x T / GROUP groups in a horizontal one, so with GROUP ==
// STAGE_ROWS both keep every thread busy. One file describes each part of the way from pixels to gradient: pixel_columns,
// map_groups, partial_columns, gradient_groups; the kernels put them together.
#pragma once

#include "division.cuh"
#include "mask.cuh"

constexpr int T = STRIP_THREADS;
constexpr int RADIUS = WINDOW_TAPS / 2;
constexpr int HALO = 2 * RADIUS;    // extra columns or rows that one filter needs
constexpr int GROUP = 4;            // columns of a thread in a horizontal part: one 16-byte access
constexpr int WINDOW = 16;          // floats that GROUP outputs need, in whole 16-byte accesses
static_assert(GROUP == QUAD, "a group of pixels must be one access");
static_assert(STAGE_ROWS == GROUP, "vertical and horizontal parts must give every thread the same number of pixels");
static_assert(GROUP + HALO <= WINDOW && WINDOW % 4 == 0, "a window must hold the halo of its group");

// Rows between a vertical and a horizontal part in shared memory. The last group's window ends past the last column.
constexpr int ROW_PITCH = T + WINDOW - GROUP;
constexpr int ROW_PLANE = STAGE_ROWS * ROW_PITCH;
static_assert(ROW_PITCH % 4 == 0, "rows must start at multiples of 16 bytes");

// The first stage in which a vertical filter has an output: it needs HALO rows first.
constexpr int FIRST_STAGE = HALO / STAGE_ROWS;

// Where a block works.
struct Strip {
    int plane;
    int column;     // first output column
    int row;        // first output row
    int row_end;    // one past the last output row

    __device__ __forceinline__ Strip(const StripParams& p, int out_columns) {
        const Division strips(static_cast<int>(blockIdx.x), p.strips);
        const Division chunks(strips.quotient, p.chunks);
        plane = p.first_plane + chunks.quotient;
        column = strips.remainder * out_columns;
        row = p.own_begin + chunks.remainder * p.chunk_rows;
        row_end = min(row + p.chunk_rows, p.own_end);
    }

    // Stages that take the rows from `halo` before to the end of the output, as far behind as a filter lags.
    __device__ __forceinline__ int stages(int halo) const {
        return (row_end - row + halo + STAGE_ROWS - 1) / STAGE_ROWS;
    }
};

__device__ __forceinline__ bool in_range(int index, int begin, int end) { return index >= begin && index < end; }

__device__ __forceinline__ char* pixel_address(const Image& image, const StripParams& p, int plane, int row,
                                               int column) {
    const Division channels(plane, p.channels);
    const long long offset = channels.quotient * image.stride_n + channels.remainder * image.stride_c;
    return image.data + (offset + row * image.stride_h + column * image.stride_w);
}

// Weights of a thread's pixels, if it wants any. They move down the mask stage by stage.
template <bool WANTED>
struct PixelWeights {
    const Image& mask;
    const char* first;    // of the stage

    __device__ __forceinline__ PixelWeights(const StripParams& p, int plane, int row, int column)
        : mask(p.mask), first(address(p, plane, row, column)) {}

    // pixel_address() here makes fssim_loss_and_grad_masked spill on sm_90 and sm_120.
    static __device__ __forceinline__ const char* address(const StripParams& p, int plane, int row, int column) {
        const int channels = p.channels.value;
        return p.mask.data + (plane / channels * p.mask.stride_n + plane % channels * p.mask.stride_c +
                              row * p.mask.stride_h + column * p.mask.stride_w);
    }

    // Without pixels until begin().
    explicit __device__ __forceinline__ PixelWeights(const StripParams& p) : mask(p.mask), first(nullptr) {}

    __device__ __forceinline__ void begin(const StripParams& p, int plane, int row, int column) {
        first = address(p, plane, row, column);
    }

    __device__ __forceinline__ void next_stage() { first += STAGE_ROWS * mask.stride_h; }

    __device__ __forceinline__ float load(int rows_below) const {
        return load_weight(mask, first + rows_below * mask.stride_h);
    }

    // Bits of those of the wanted pixels of a group, and 0, for convert_weights().
    template <int COUNT>
    __device__ __forceinline__ void load_row(const bool (&wanted)[COUNT], float (&bits)[COUNT]) const {
        load_weight_bits(mask, first, mask.stride_w, wanted, bits);
    }

    // The same of a column.
    template <int COUNT>
    __device__ __forceinline__ void load_column(const bool (&wanted)[COUNT], float (&bits)[COUNT]) const {
        load_weight_bits(mask, first, mask.stride_h, wanted, bits);
    }
};

template <>
struct PixelWeights<false> {
    __device__ __forceinline__ PixelWeights(const StripParams&, int, int, int) {}
    explicit __device__ __forceinline__ PixelWeights(const StripParams&) {}
    __device__ __forceinline__ void begin(const StripParams&, int, int, int) {}
    __device__ __forceinline__ void next_stage() {}
};

// Transposed FIR: push() takes the sample of row r and returns the filtered sample of row r - RADIUS.
struct VerticalFilter {
    float sum[HALO];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int k = 0; k < HALO; k++) sum[k] = 0.0f;
    }

    __device__ __forceinline__ float push(float sample, const StripParams& p) {
        const float out = fmaf(p.taps[0], sample, sum[0]);
#pragma unroll
        for (int k = 1; k < HALO; k++) sum[k - 1] = fmaf(p.taps[k], sample, sum[k]);
        sum[HALO - 1] = p.taps[HALO] * sample;
        return out;
    }
};

// Vertical mean and variance of one column.
//
// A variance from sums of squares loses what the squares round away: in a bright flat region that is far more than C2 can
// hide. So squares are taken about a pixel of the column itself, the origin. Where the column settles far from it, that is
// where the samples of a stage are close together by comparison, the partial sums are moved to a new origin, which loses
// nothing. Noise and edges leave the origin alone: their own variance is larger than what the squares round away. And no
// sample that stands alone becomes the origin of others.
struct VerticalVariance {
    VerticalFilter mean;      // of sample - origin
    VerticalFilter square;    // of (sample - origin)^2
    float origin;

    __device__ __forceinline__ void clear() {
        mean.clear();
        square.clear();
        origin = 0.0f;
    }

    // Filters the samples of a stage; row j goes to mean_rows[j * ROW_PITCH] and variance_rows[j * ROW_PITCH].
    __device__ __forceinline__ void step(const float (&sample)[STAGE_ROWS], const StripParams& p, float* mean_rows,
                                         float* variance_rows) {
        float offset[STAGE_ROWS];
        float squared[STAGE_ROWS];
        about_origin(sample, offset, squared);
        const float sum = (offset[0] + offset[1]) + (offset[2] + offset[3]);
        const float squares = (squared[0] + squared[1]) + (squared[2] + squared[3]);
        const bool settled = sum * sum > SETTLED * squares && squares > p.origin_squares;
        if (settled || fabsf(origin) > p.bright) {
            const float smallest =
                fminf(fminf(fabsf(sample[0]), fabsf(sample[1])), fminf(fabsf(sample[2]), fabsf(sample[3])));
            // A bright origin is none for samples that are much smaller, even one of them.
            const bool leave = smallest < 0.25f * fabsf(origin);
            if (settled || leave) move(settled ? offset[0] : -origin, p);
            about_origin(sample, offset, squared);
        }
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            const float m = mean.push(offset[j], p);
            variance_rows[j * ROW_PITCH] = fmaf(-m, m, square.push(squared[j], p));
            mean_rows[j * ROW_PITCH] = m + origin;
        }
    }

    __device__ __forceinline__ void about_origin(const float (&sample)[STAGE_ROWS], float (&offset)[STAGE_ROWS],
                                                 float (&squared)[STAGE_ROWS]) const {
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            offset[j] = sample[j] - origin;
            squared[j] = offset[j] * offset[j];
        }
    }

    // The partial sum k holds the taps k + 1 and on.
    __device__ __forceinline__ void move(float step, const StripParams& p) {
        origin += step;
#pragma unroll
        for (int k = 0; k < HALO; k++) {
            square.sum[k] = fmaf(step, fmaf(step, p.tap_tails[k], -2.0f * mean.sum[k]), square.sum[k]);
            mean.sum[k] = fmaf(-step, p.tap_tails[k], mean.sum[k]);
        }
    }

    // The square of the sum is STAGE_ROWS times the sum of squares where all samples are equal, less where they spread.
    static constexpr float SETTLED = STAGE_ROWS * (1.0f - 1.0f / 64);
};

// The window of GROUP columns; `row` is its first column, 16-byte aligned.
__device__ __forceinline__ void load_window(const float* row, float (&window)[WINDOW]) {
#pragma unroll
    for (int i = 0; i < WINDOW; i += 4) {
        const float4 quad = *reinterpret_cast<const float4*>(row + i);
        window[i] = quad.x;
        window[i + 1] = quad.y;
        window[i + 2] = quad.z;
        window[i + 3] = quad.w;
    }
}

__device__ __forceinline__ void filter_window(const float (&window)[WINDOW], const StripParams& p,
                                              float (&out)[GROUP]) {
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        out[i] = p.taps[0] * window[i];
#pragma unroll
        for (int k = 1; k < WINDOW_TAPS; k++) out[i] = fmaf(p.taps[k], window[i + k], out[i]);
    }
}

// Filters GROUP columns; `row` is the first column of their window, 16-byte aligned.
__device__ __forceinline__ void horizontal_filter(const float* row, const StripParams& p, float (&out)[GROUP]) {
    float window[WINDOW];
    load_window(row, window);
    filter_window(window, p, out);
}

// Means and variances of GROUP windows from the samples' means and variances: the variance of the whole is the mean of the
// variances and of the squared distances of the means. The distances are taken from a sample that all the windows share,
// so that nothing is lost to large means. `distance` holds the means at first.
__device__ __forceinline__ void window_variance(float (&distance)[WINDOW], float (&variances)[WINDOW],
                                                const StripParams& p, float (&mean)[GROUP], float (&variance)[GROUP]) {
    const float origin = distance[WINDOW_TAPS / 2 + GROUP / 2];
#pragma unroll
    for (int i = 0; i < GROUP + HALO; i++) {
        distance[i] -= origin;
        variances[i] = fmaf(distance[i], distance[i], variances[i]);
    }
    filter_window(distance, p, mean);
    filter_window(variances, p, variance);
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        variance[i] = fmaf(-mean[i], mean[i], variance[i]);
        mean[i] += origin;
    }
}

__device__ __forceinline__ void horizontal_variance(const float* means, const float* variances, const StripParams& p,
                                                    float (&mean)[GROUP], float (&variance)[GROUP]) {
    float mean_window[WINDOW];
    float variance_window[WINDOW];
    load_window(means, mean_window);
    load_window(variances, variance_window);
    window_variance(mean_window, variance_window, p, mean, variance);
}

__device__ __forceinline__ void store_group(float* out, const float (&value)[GROUP]) {
    *reinterpret_cast<float4*>(out) = make_float4(value[0], value[1], value[2], value[3]);
}

// A thread's group in a horizontal part.
struct GroupPlace {
    int row;       // in the stage
    int column;    // in the strip, of the first pixel
};

__device__ __forceinline__ GroupPlace strip_group(int t) { return {t / (T / GROUP), t % (T / GROUP) * GROUP}; }

// Where planes of rows lie in shared memory.
template <int ROW_FLOATS, int PLANE_FLOATS>
struct SharedRows {
    static constexpr int PITCH = ROW_FLOATS;
    static constexpr int PLANE = PLANE_FLOATS;
    static_assert(PITCH % 4 == 0 && PLANE % 4 == 0, "rows must start at multiples of 16 bytes");

    static __device__ __forceinline__ int offset(const GroupPlace& place) { return place.row * PITCH + place.column; }
};

using StripRows = SharedRows<ROW_PITCH, ROW_PLANE>;
