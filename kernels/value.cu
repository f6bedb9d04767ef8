// SSIM alone, with the partial derivatives that backward.cu starts from, or with a comparison of single pixels; their mean, or
// one that a mask weights.
//
// A stage: pixel columns, barrier, map groups. The rows between them have two buffers, so one barrier a stage is enough and
// the warps of one stage's horizontal part overlap with the next stage's vertical part.
#include "map_groups.cuh"

static_assert(STRIP_COLUMNS == (T - HALO) / GROUP * GROUP, "a strip of value.cu loses one halo");
static_assert(VALUE_SHARED_BYTES == 2 * MOMENT_BUFFER * sizeof(float), "the host launches with VALUE_SHARED_BYTES");

template <Elements ELEMENTS, Keep KEEP, bool LOSS, Mean MEAN = Mean::PLAIN>
__device__ __forceinline__ void value(const StripParams& p) {
    float* const moments = dynamic_shared();
    const Strip strip(p, STRIP_COLUMNS);
    const int stages = strip.stages(HALO);
    PixelColumns<ELEMENTS, LOSS, MEAN> pixels(p, strip, STRIP_COLUMNS, RADIUS, threadIdx.x, moments);
    // What is saved serves both gradients.
    MapGroups<KEEP, StripRows, StripPartials, MEAN, KEEP == Keep::SAVED ? 2 : 1> map(
        p, strip, STRIP_COLUMNS, 0, strip.row - HALO, FIRST_STAGE, strip_group(threadIdx.x), moments, nullptr);
    for (int stage = 0; stage < stages; stage++) {
        pixels.step(stage & 1);
        __syncthreads();
        if (stage >= FIRST_STAGE) map.step(stage, stage & 1);
    }
    write_map_sums<T, MEAN>(map.sums, pixels.loss, p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value(const __grid_constant__ StripParams p) {
    value<Elements::F32, Keep::NOTHING, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_of_any_type(const __grid_constant__ StripParams p) {
    value<Elements::ANY, Keep::NOTHING, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_forward(const __grid_constant__ StripParams p) {
    value<Elements::F32, Keep::SAVED, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_forward_of_any_type(const __grid_constant__ StripParams p) {
    value<Elements::ANY, Keep::SAVED, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss(const __grid_constant__ StripParams p) {
    value<Elements::F32, Keep::NOTHING, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_of_any_type(const __grid_constant__ StripParams p) {
    value<Elements::ANY, Keep::NOTHING, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_masked(const __grid_constant__ StripParams p) {
    value<Elements::F32, Keep::NOTHING, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_masked_of_any_type(const __grid_constant__ StripParams p) {
    value<Elements::ANY, Keep::NOTHING, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_masked(const __grid_constant__ StripParams p) {
    value<Elements::ANY, Keep::NOTHING, true, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_of_f16(const __grid_constant__ StripParams p) {
    value<Elements::F16, Keep::NOTHING, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_of_bf16(const __grid_constant__ StripParams p) {
    value<Elements::BF16, Keep::NOTHING, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_of_u8(const __grid_constant__ StripParams p) {
    value<Elements::U8, Keep::NOTHING, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_of_f32_and_u8(const __grid_constant__ StripParams p) {
    value<Elements::F32_U8, Keep::NOTHING, false>(p);
}
