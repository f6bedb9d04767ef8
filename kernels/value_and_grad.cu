// SSIM and its gradient, or those of both images, in one pass: nothing but the images and the gradients touches device
// memory.
//
// A stage: pixel columns, and partial columns of the stage before; barrier; gradient groups of the stage before, and map
// groups; barrier. Every thread is a column and a group in turn; two buffers and one barrier were measured to be slower.
//
// Map rows and columns around the rectangle that a block owns are computed again by its neighbours; storing and loading
// partial planes would cost more.
#include "gradient_groups.cuh"

static_assert(FUSED_STRIP_COLUMNS == T - 2 * HALO && FUSED_STRIP_COLUMNS % GROUP == 0,
              "a strip of value_and_grad.cu loses two halos, and its groups start at multiples of 16 bytes");

template <int GRADS>
constexpr int PARTIAL_FLOATS = PARTIALS<GRADS> * PARTIAL_PLANE;
template <int GRADS>
constexpr int SHARED_FLOATS = MOMENT_BUFFER + PARTIAL_FLOATS<GRADS> + FILTERED_BUFFER<GRADS>;
static_assert(FUSED_SHARED_BYTES == SHARED_FLOATS<1> * sizeof(float) &&
                  BOTH_FUSED_SHARED_BYTES == SHARED_FLOATS<2> * sizeof(float),
              "the host launches with these bytes");

// LOSS: with a comparison of single pixels. GRADS: how many gradients there are.
template <Elements ELEMENTS, bool LOSS, Mean MEAN = Mean::PLAIN, int GRADS = 1>
__device__ __forceinline__ void value_and_grad(const StripParams& p) {
    float* const moments = dynamic_shared();
    float* const partial_rows = moments + MOMENT_BUFFER;
    float* const filtered = partial_rows + PARTIAL_FLOATS<GRADS>;
    const Strip strip(p, FUSED_STRIP_COLUMNS);
    const int stages = strip.stages(2 * HALO);
    PixelColumns<ELEMENTS, false> pixels(p, strip, FUSED_STRIP_COLUMNS, HALO, threadIdx.x, moments);
    const GroupPlace place = strip_group(threadIdx.x);
    MapGroups<Keep::IN_SHARED, StripRows, StripPartials, MEAN, GRADS> map(
        p, strip, FUSED_STRIP_COLUMNS, RADIUS, strip.row - RADIUS - HALO, FIRST_STAGE, place, moments, partial_rows);
    SharedPartialColumns<GRADS> partials(p, threadIdx.x, partial_rows, filtered);
    GradientGroups<ELEMENTS, StripRows, LOSS, MEAN, GRADS> gradient(
        p, strip, FUSED_STRIP_COLUMNS, strip.row - 2 * HALO + FIRST_STAGE * STAGE_ROWS, place, filtered);
    for (int stage = 0; stage <= stages; stage++) {
        const bool has_partials = stage > FIRST_STAGE;
        if (stage < stages) pixels.step(0);
        if (has_partials) partials.step();
        __syncthreads();
        if (has_partials) {
            gradient.fetch();
            gradient.step(0);
        }
        if (stage >= FIRST_STAGE && stage < stages) map.step(stage, 0);
        __syncthreads();
    }
    write_block_sum<T>(map.sums.dissimilarity, gradient.loss, p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_of_any_type(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::ANY, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_of_any_type(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::ANY, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_masked(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_masked_of_any_type(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::ANY, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_masked(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32, true, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_masked_of_any_type(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::ANY, true, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_of_f16(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F16, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_of_bf16(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::BF16, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_of_u8(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::U8, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_grad_of_f32_and_u8(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32_U8, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_of_f16(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F16, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_of_bf16(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::BF16, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_of_u8(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::U8, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_loss_and_grad_of_f32_and_u8(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32_U8, true>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_both_grads(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::F32, false, Mean::PLAIN, 2>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, FUSED_STRIP_BLOCKS_PER_MULTIPROCESSOR)
    fssim_value_and_both_grads_of_any_type(const __grid_constant__ StripParams p) {
    value_and_grad<Elements::ANY, false, Mean::PLAIN, 2>(p);
}
