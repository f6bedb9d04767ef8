// Kernels without a fault: every feature of the emulator once, with a result that the test can check.
#include "intrinsics.cuh"
#include "params.cuh"

// out = in, reversed within each block.
extern "C" __global__ void __launch_bounds__(256) test_reverse(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = i < p.n ? p.in[i] : 0.0f;
    __syncthreads();
    if (i < p.n) p.out[i] = tile[blockDim.x - 1 - threadIdx.x];
}

// The same through dynamic shared memory, several rounds.
extern "C" __global__ void __launch_bounds__(1024) test_dynamic(const __grid_constant__ Vectors p) {
    float* const tile = dynamic_shared();
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    float value = p.in[i];
    for (int round = 0; round < 5; round++) {
        tile[threadIdx.x] = value;
        __syncthreads();
        value = tile[blockDim.x - 1 - threadIdx.x];
        __syncthreads();
    }
    p.out[i] = value;
}

template <int T>
__device__ float block_sum(float value) {
    __shared__ float warp_sums[T / 32];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
    if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = value;
    __syncthreads();
    float total = 0.0f;
    for (int w = 0; w < T / 32; w++) total += warp_sums[w];
    return total;
}

// out[block] = sum of the block's values.
extern "C" __global__ void __launch_bounds__(128) test_sum(const __grid_constant__ Vectors p) {
    const int i = blockIdx.x * 128 + threadIdx.x;
    const float total = block_sum<128>(i < p.n ? p.in[i] : 0.0f);
    if (threadIdx.x == 0) p.out[blockIdx.x] = total;
}

// One number for each kind of warp operation, 8 a lane.
extern "C" __global__ void test_warp(const __grid_constant__ Vectors p) {
    const int lane = threadIdx.x % 32;
    const float value = p.in[threadIdx.x];
    float* const out = p.out + threadIdx.x * 8;
    out[0] = __shfl_sync(0xffffffffu, value, 3);
    out[1] = __shfl_up_sync(0xffffffffu, value, 2);
    out[2] = __shfl_down_sync(0xffffffffu, value, 2);
    out[3] = __shfl_xor_sync(0xffffffffu, value, 1, 16);
    out[4] = __shfl_down_sync(0xffffffffu, value, 1, 8);
    out[5] = __popc(__ballot_sync(0xffffffffu, lane % 3 == 0));
    out[6] = __any_sync(0xffffffffu, lane == 7) + 2 * __all_sync(0xffffffffu, lane < 31);
    // Half of the warp on its own.
    out[7] = 0.0f;
    if (lane < 16) out[7] = __shfl_xor_sync(0x0000ffffu, value, 8);
    __syncwarp();
}

// out[0] = count, out[1] = any, out[2] = all, out[3] = atomic sum.
extern "C" __global__ void test_votes(const __grid_constant__ Vectors p) {
    const int count = __syncthreads_count(threadIdx.x % 5 == 0);
    const int any = __syncthreads_or(threadIdx.x == 77);
    const int all = __syncthreads_and(threadIdx.x < 1000);
    if (threadIdx.x == 0 && blockIdx.x == 0) {
        p.out[0] = count;
        p.out[1] = any;
        p.out[2] = all;
    }
    atomicAdd(p.out + 3, 1.0f);
}

// Warps 0 and 1 fill two buffers in turn, warps 2 and 3 empty them: named barriers for full (1, 2) and empty (3, 4).
extern "C" __global__ void __launch_bounds__(128) test_named_barriers(const __grid_constant__ Vectors p) {
    __shared__ float buffer[2][64];
    const int t = threadIdx.x % 64;
    for (int i = 0; i < p.n; i++) {
        const int b = i % 2;
        if (threadIdx.x < 64) {
            if (i >= 2) barrier_sync(3 + b, 128);
            buffer[b][t] = p.in[i * 64 + t];
            barrier_arrive(1 + b, 128);
        } else {
            barrier_sync(1 + b, 128);
            p.out[i * 64 + t] = 2.0f * buffer[b][63 - t];
            if (i + 2 < p.n) barrier_arrive(3 + b, 128);
        }
    }
}

// Rows of 128 values through three buffers filled by cp.async; flag: bytes of the last element to read, 0 or 4.
extern "C" __global__ void __launch_bounds__(32) test_copy_async(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float buffer[3][128];
    const int t = threadIdx.x;
    for (int i = 0; i < 2; i++) {
        if (i < p.n) copy_async<16>(buffer[i] + 4 * t, p.in + i * 128 + 4 * t, t == 31 ? 12 + p.flag : 16);
        copy_async_commit();
    }
    for (int i = 0; i < p.n; i++) {
        if (i + 2 < p.n)
            copy_async<16>(buffer[(i + 2) % 3] + 4 * t, p.in + (i + 2) * 128 + 4 * t, t == 31 ? 12 + p.flag : 16);
        copy_async_commit();
        copy_async_wait<2>();
        __syncwarp();
        for (int k = 0; k < 4; k++) p.out[i * 128 + k * 32 + t] = buffer[i % 3][127 - (k * 32 + t)];
        __syncwarp();
    }
}

// A tile of 16 x 8 floats by the copy engine, `blocks` times further down, two buffers; thread 0 produces.
extern "C" __global__ void __launch_bounds__(128) test_tensor_copy(const __grid_constant__ TensorParams p) {
    __shared__ __align__(128) float tile[2][8][16];
    __shared__ unsigned long long full[2];
    constexpr int BYTES = sizeof tile[0];
    if (threadIdx.x == 0) {
        mbarrier_init(&full[0], 1);
        mbarrier_init(&full[1], 1);
        mbarrier_init_fence();
    }
    __syncthreads();
    for (int i = -1; i < p.blocks; i++) {
        const int next = i + 1;
        if (next < p.blocks && threadIdx.x == 0) {
            mbarrier_arrive_expect_bytes(&full[next % 2], BYTES);
            tensor_copy_2d(tile[next % 2], &p.map, p.x, p.y + 8 * next, &full[next % 2]);
        }
        if (i >= 0) {
            mbarrier_wait(&full[i % 2], i / 2 % 2);
            p.out[i * 128 + threadIdx.x] = tile[i % 2][threadIdx.x / 16][threadIdx.x % 16];
        }
        __syncthreads();
    }
}

// 64 floats by a plain bulk copy.
extern "C" __global__ void __launch_bounds__(64) test_bulk_copy(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[64];
    __shared__ unsigned long long full;
    if (threadIdx.x == 0) {
        mbarrier_init(&full, 64);
        bulk_copy(tile, p.in, sizeof tile, &full);
        mbarrier_expect_bytes(&full, sizeof tile);
    }
    __syncthreads();
    mbarrier_arrive(&full);
    mbarrier_wait(&full, 0);
    p.out[threadIdx.x] = tile[63 - threadIdx.x];
}

// Conversions of 16-bit numbers, there and back, and a few arithmetic functions.
extern "C" __global__ void test_arithmetic(const __grid_constant__ Vectors p) {
    const float x = p.in[threadIdx.x];
    float* const out = p.out + threadIdx.x * 6;
    out[0] = half_to_float(float_to_half(x));
    out[1] = bfloat16_to_float(float_to_bfloat16(x));
    out[2] = x * reciprocal(x);
    out[3] = __fmul_rn(x, x) - x * x;
    out[4] = min(3, static_cast<int>(threadIdx.x)) + max(1u, threadIdx.x);
    const float4 quad = *reinterpret_cast<const float4*>(p.in + threadIdx.x / 4 * 4);
    out[5] = quad.x + quad.y + quad.z + quad.w;
}

// in: for each of n rounds A (16 x 16), then B (16 x 8). out: for each warp the sum of the products A B, 16 x 8, once from
// fragments as the PTX ISA draws them and once from ldmatrix, then the transposed top half of it.
extern "C" __global__ void __launch_bounds__(64) test_matrix(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) unsigned short a[2][16][16];
    __shared__ __align__(16) unsigned short b[2][16][8];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int group = lane / 4, pair = lane % 4 * 2;
    float by_hand[4] = {}, loaded[4] = {};
    for (int round = 0; round < p.n; round++) {
        const float* const in = p.in + round * 384;
        const auto two = [&](int at) { return pack_half2(in[at], in[at + 1]); };
        const auto column = [&](int k, int n) { return pack_half2(in[256 + k * 8 + n], in[256 + k * 8 + 8 + n]); };
        const unsigned rows[4] = {two(group * 16 + pair), two((group + 8) * 16 + pair), two(group * 16 + pair + 8),
                                  two((group + 8) * 16 + pair + 8)};
        const unsigned columns[2] = {column(pair, group), column(pair + 8, group)};
        mma_m16n8k16(by_hand, rows, columns);

        for (int i = lane; i < 256; i += 32) a[warp][i / 16][i % 16] = float_to_half(in[i]);
        for (int i = lane; i < 128; i += 32) b[warp][i / 8][i % 8] = float_to_half(in[256 + i]);
        __syncwarp();
        unsigned left[4], right[2];
        ldmatrix(left, &a[warp][lane % 16][lane / 16 * 8]);
        ldmatrix_transposed(right, b[warp][lane % 16]);
        mma_m16n8k16(loaded, left, right);
        __syncwarp();
    }
    float* const out = p.out + warp * 320;
    for (int i = 0; i < 4; i++) {
        const int at = (group + i / 2 * 8) * 8 + pair + i % 2;
        out[at] = by_hand[i];
        out[128 + at] = loaded[i];
    }
    const float2 turned = unpack_half2(movmatrix(pack_half2(by_hand[0], by_hand[1])));
    out[256 + group * 8 + pair] = turned.x;
    out[256 + group * 8 + pair + 1] = turned.y;
}

// Runs for a while.
extern "C" __global__ void test_slow(const __grid_constant__ Vectors p) {
    float value = p.in[threadIdx.x];
    for (int i = 0; i < p.flag; i++) value = fmaf(value, 0.5f, 1.0f);
    p.out[threadIdx.x] = p.flag > 0 ? p.in[threadIdx.x] + 0.0f * value : value;
}

// 64 KiB of static and dynamic shared memory make it a large launch.
extern "C" __global__ void test_large_static(const __grid_constant__ Vectors p) {
    __shared__ float tile[4096];
    tile[threadIdx.x] = p.in[threadIdx.x];
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x] + (p.flag ? dynamic_shared()[0] : 0.0f);
}

// A strip filter like the real kernels: eleven taps across, through shared memory. For the clock.
extern "C" __global__ void __launch_bounds__(128) test_filter(const __grid_constant__ Vectors p) {
    __shared__ float row[4][128 + 10];
    const int t = threadIdx.x;
    for (int y = 0; y < p.n; y += 4) {
#pragma unroll
        for (int j = 0; j < 4; j++)
            for (int x = t; x < 138; x += 128) row[j][x] = p.in[(y + j) * 138 + x];
        __syncthreads();
#pragma unroll
        for (int j = 0; j < 4; j++) {
            float sum = 0.0f;
#pragma unroll
            for (int k = 0; k < 11; k++) sum = fmaf(0.1f, row[j][t + k], sum);
            p.out[(blockIdx.x * p.n + y + j) * 128 + t] = sum;
        }
        __syncthreads();
    }
}
