// The gradient of one image or those of both from saved partial derivatives and an upstream gradient.
//
// A stage: saved partial columns, barrier, gradient groups, with two buffers as in value.cu.
#include "gradient_groups.cuh"
#include "row_prefetch.cuh"

static_assert(STRIP_COLUMNS == (T - HALO) / GROUP * GROUP, "a strip of backward.cu loses one halo");
static_assert(BACKWARD_SHARED_BYTES == 2 * FILTERED_BUFFER<1> * sizeof(float) + PREFETCH_BYTES &&
                  BOTH_BACKWARD_SHARED_BYTES == 2 * FILTERED_BUFFER<2> * sizeof(float) + PREFETCH_BYTES,
              "the host launches with these bytes");

// GRADS: how many gradients there are.
template <Elements ELEMENTS, int GRADS = 1>
__device__ __forceinline__ void backward(const StripParams& p) {
    float* const filtered = dynamic_shared();
    const Strip strip(p, STRIP_COLUMNS);
    const int stages = strip.stages(HALO);
    SavedPartialColumns<GRADS> partials(p, strip, threadIdx.x, filtered);
    GradientGroups<ELEMENTS, StripRows, false, Mean::PLAIN, GRADS> gradient(p, strip, STRIP_COLUMNS, strip.row - HALO,
                                                                            strip_group(threadIdx.x), filtered);
    const RowPrefetch<GRADS> rows(p, strip, threadIdx.x, filtered + 2 * FILTERED_BUFFER<GRADS>);
    gradient.fetch();
    for (int stage = 0; stage < stages; stage++) {
        partials.step(stage & 1);
        __syncthreads();
        rows.step(stage);
        gradient.step(stage & 1);
        // A stage ahead: the pixels come while the vertical part runs.
        gradient.fetch();
    }
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, BACKWARD_BLOCKS_PER_MULTIPROCESSOR)
    fssim_backward(const __grid_constant__ StripParams p) {
    backward<Elements::F32>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, BACKWARD_BLOCKS_PER_MULTIPROCESSOR)
    fssim_backward_of_any_type(const __grid_constant__ StripParams p) {
    backward<Elements::ANY>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, BOTH_BACKWARD_BLOCKS_PER_MULTIPROCESSOR)
    fssim_backward_both(const __grid_constant__ StripParams p) {
    backward<Elements::ANY, 2>(p);
}
