// The features of the kernel side: every kernel of correct.cu gives what CUDA would give.
#include <bit>
#include <cmath>
#include <ctime>

#include "support.h"

namespace {

// Runs a kernel of `blocks` x `threads` on `in` and returns `outputs` values.
std::vector<float> run(const char* name, unsigned blocks, unsigned threads, const std::vector<float>& in,
                       std::size_t outputs, int n = 0, int flag = 0, unsigned dynamic = 0) {
    Session session;
    const Buffer input(in), output(outputs);
    OK(launch(session.kernel({name}), blocks, threads, dynamic, nullptr,
              Vectors{output.device(), input.device(), n, flag}));
    return output.read();
}

void reverse() {
    const std::vector<float> out = run("test_reverse", 3, 256, ramp(700), 700, 700);
    for (int i = 0; i < 700; i++) {
        const int from = i / 256 * 256 + 255 - i % 256;
        CHECK(out[i] == (from < 700 ? from : 0));
    }
}

void dynamic_shared_memory() {
    const std::vector<float> out = run("test_dynamic", 2, 1024, ramp(2048), 2048, 0, 0, 4096);
    for (int i = 0; i < 2048; i++) CHECK(out[i] == i / 1024 * 1024 + 1023 - i % 1024);
}

void block_sums() {
    const std::vector<float> out = run("test_sum", 3, 128, ramp(300), 3, 300);
    CHECK(out[0] == 127 * 128 / 2);
    CHECK(out[1] == 127 * 128 / 2 + 128 * 128);
    CHECK(out[2] == (256 + 299) * 44 / 2);
}

void warp_operations() {
    const std::vector<float> out = run("test_warp", 1, 64, ramp(64), 64 * 8);
    for (int t = 0; t < 64; t++) {
        const int lane = t % 32, warp = t - lane;
        const float* const got = &out[t * 8];
        CHECK(got[0] == warp + 3);
        CHECK(got[1] == (lane >= 2 ? t - 2 : t));
        CHECK(got[2] == (lane < 30 ? t + 2 : t));
        CHECK(got[3] == (t ^ 1));
        CHECK(got[4] == (lane % 8 < 7 ? t + 1 : t));
        CHECK(got[5] == 11);
        CHECK(got[6] == 1);
        CHECK(got[7] == (lane < 16 ? (t ^ 8) : 0));
    }
}

void votes_and_atomics() {
    Session session;
    const Buffer output(ramp(4, -3.0f)), input(1);
    OK(launch(session.kernel({"test_votes"}), 2, 100, 0, nullptr, Vectors{output.device(), input.device(), 0, 0}));
    const std::vector<float> out = output.read();
    CHECK(out[0] == 20 && out[1] == 1 && out[2] == 1 && out[3] == 200);
}

void named_barriers() {
    for (int n : {1, 2, 3, 9}) {
        const std::vector<float> out = run("test_named_barriers", 1, 128, ramp(64 * 9), 64 * n, n);
        for (int i = 0; i < 64 * n; i++) CHECK(out[i] == 2.0f * (i / 64 * 64 + 63 - i % 64));
    }
}

void asynchronous_copies() {
    for (int flag : {0, 4}) {
        const std::vector<float> out = run("test_copy_async", 1, 32, ramp(128 * 5), 128 * 5, 5, flag);
        for (int i = 0; i < 128 * 5; i++) {
            const int from = i / 128 * 128 + 127 - i % 128;
            CHECK(out[i] == (from % 128 == 127 && flag == 0 ? 0 : from));
        }
    }
}

void bulk_copies() {
    const std::vector<float> out = run("test_bulk_copy", 1, 64, ramp(64), 64);
    for (int i = 0; i < 64; i++) CHECK(out[i] == 63 - i);
}

// A tile around each corner of a tensor of 20 x 30: what lies outside is zero.
void tensor_copies() {
    constexpr int WIDTH = 20, HEIGHT = 30, BLOCKS = 5;
    Session session;
    const CUkernel kernel = session.kernel({"test_tensor_copy", sizeof(TensorParams)});
    const Buffer tensor(ramp(WIDTH * HEIGHT, 1.0f)), output(128 * BLOCKS);
    for (const auto& [x, y] : {std::pair{0, 0}, std::pair{-5, -3}, std::pair{9, -20}, std::pair{30, 2}}) {
        TensorParams params = {};
        const std::uint64_t sizes[] = {WIDTH, HEIGHT}, strides[] = {WIDTH * sizeof(float)};
        const std::uint32_t box[] = {16, 8}, steps[] = {1, 1};
        OK(cuTensorMapEncodeTiled(&params.map, 7, 2, tensor.device(), sizes, strides, box, steps, 0, 0, 0, 0));
        params.out = output.device();
        params.x = x;
        params.y = y;
        params.blocks = BLOCKS;
        OK(launch(kernel, 1, 128, 0, nullptr, params));
        const std::vector<float> out = output.read();
        for (int i = 0; i < 128 * BLOCKS; i++) {
            const int column = x + i % 16, row = y + i / 16;
            const bool inside = column >= 0 && column < WIDTH && row >= 0 && row < HEIGHT;
            CHECK(out[i] == (inside ? 1 + row * WIDTH + column : 0));
        }
    }
}

void arithmetic() {
    std::vector<float> in = {0.0f, 1.0f, 0.333333343f, 65504.0f, 1e-7f, -2.5f, 3.14159274f, 1e20f};
    const std::vector<float> out = run("test_arithmetic", 1, 8, in, 48);
    for (int i = 0; i < 8; i++) {
        const float half = out[i * 6], brain = out[i * 6 + 1];
        CHECK(std::fabs(half - in[i]) <= std::fabs(in[i]) * 0x1p-11f + 0x1p-25f ||
              (in[i] > 65504.0f && std::isinf(half)));
        CHECK(std::fabs(brain - in[i]) <= std::fabs(in[i]) * 0x1p-8f);
        CHECK((std::bit_cast<unsigned>(brain) & 0xffff) == 0);
        CHECK(i == 0 ? std::isnan(out[i * 6 + 2]) : std::fabs(out[i * 6 + 2] - 1.0f) < 1e-6f);
        CHECK(out[i * 6 + 4] == std::min(3, i) + std::max(1, i));
        const int q = i / 4 * 4;
        CHECK(out[i * 6 + 5] == in[q] + in[q + 1] + in[q + 2] + in[q + 3]);
    }
}

void matrix_operations() {
    // Multiples of 1/4 up to 2 are halves, and so are their products and sums as far as they come here.
    std::vector<float> in(384 * 5);
    for (std::size_t i = 0; i < in.size(); i++) in[i] = static_cast<float>(i * 7 % 17) / 4.0f - 2.0f;
    for (int rounds : {1, 2, 5}) {
        const std::vector<float> out = run("test_matrix", 1, 64, in, 640, rounds);
        for (int at = 0; at < 128; at++) {
            const int row = at / 8, column = at % 8;
            float want = 0.0f;
            for (int k = 0; k < 16 * rounds; k++) {
                const float* const round = &in[k / 16 * 384];
                want += round[row * 16 + k % 16] * round[256 + k % 16 * 8 + column];
            }
            for (int warp : {0, 320}) {
                CHECK(out[warp + at] == want);
                CHECK(out[warp + 128 + at] == want);
                if (row < 8) CHECK(out[warp + 256 + column * 8 + row] == want);
            }
        }
    }
    // Infinity times zero spoils the row it is in and nothing else.
    in.assign(384, 0.0f);
    in[3 * 16 + 5] = INFINITY;
    const std::vector<float> out = run("test_matrix", 1, 64, in, 640, 1);
    for (int at = 0; at < 128; at++) CHECK(at / 8 == 3 ? std::isnan(out[at]) : out[at] == 0.0f);
}

// The same kernel in many different orders: the bits stay the same.
void order_does_not_matter() {
    std::vector<float> values = ramp(4 * 138);
    for (float& v : values) v = std::sin(v);
    const std::vector<float> first = run("test_filter", 8, 128, values, 8 * 4 * 128, 4);
    for (int i = 0; i < 10; i++) {
        const std::vector<float> again = run("test_filter", 8, 128, values, 8 * 4 * 128, 4);
        CHECK(std::memcmp(first.data(), again.data(), first.size() * sizeof(float)) == 0);
    }
}

// Of this process, so that a busy machine makes no difference.
double processor_ms() { return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void speed() {
    Session session;
    const CUkernel kernel = session.kernel({"test_filter"});
    const Buffer input(std::vector<float>(64 * 138, 1.0f)), output(64 * 128 * 4);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        const double start = processor_ms();
        OK(launch(kernel, 4, 128, 0, nullptr, Vectors{output.device(), input.device(), 64, 0}));
        OK(cuCtxSynchronize());
        best = std::min(best, processor_ms() - start);
    }
    std::printf("    4 blocks of 128 threads, 64 rows of 11 taps, 32 barriers: %.2f ms\n", best);
    const char* const limit = std::getenv("FSSIM_EMU_TEST_SLOW");
    CHECK(limit != nullptr || best < 20.0);
}

}    // namespace

int main(int argc, char** argv) {
    return run_tests({{"kernel: static shared memory", reverse},
                      {"kernel: dynamic shared memory", dynamic_shared_memory},
                      {"kernel: shared memory in a template", block_sums},
                      {"kernel: warp operations", warp_operations},
                      {"kernel: votes and atomics", votes_and_atomics},
                      {"kernel: named barriers", named_barriers},
                      {"kernel: cp.async", asynchronous_copies},
                      {"kernel: bulk copy and mbarrier", bulk_copies},
                      {"kernel: tensor copy", tensor_copies},
                      {"kernel: arithmetic and 16-bit types", arithmetic},
                      {"kernel: matrix operations of a warp", matrix_operations},
                      {"kernel: any order, the same bits", order_does_not_matter},
                      {"kernel: speed", speed}},
                     argc, argv);
}
