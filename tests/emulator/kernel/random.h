// A small seeded generator: order and timing are shuffled with it, results never depend on it.
#pragma once

#include <cstdint>

namespace emu {

class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}

    // splitmix64
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
    }

    // In [0, bound); bound > 0.
    std::uint64_t below(std::uint64_t bound) { return next() % bound; }

  private:
    std::uint64_t state_;
};

// Walks 0..n-1 in a scattered order, without a table: start + i * stride mod n, stride coprime to n.
class Permutation {
  public:
    Permutation(std::uint64_t n, Random& random) : n_(n), at_(random.below(n)), stride_(1) {
        if (n < 3) return;
        do stride_ = 1 + random.below(n - 1);
        while (common_divisor(stride_, n) != 1);
    }

    std::uint64_t next() {
        const std::uint64_t index = at_;
        at_ += stride_;
        if (at_ >= n_) at_ -= n_;
        return index;
    }

  private:
    static std::uint64_t common_divisor(std::uint64_t a, std::uint64_t b) {
        while (b != 0) {
            const std::uint64_t rest = a % b;
            a = b;
            b = rest;
        }
        return a;
    }

    std::uint64_t n_;
    std::uint64_t at_;
    std::uint64_t stride_;
};

// FSSIM_EMU_SEED, or a number drawn when the process starts and printed at the first launch.
std::uint64_t seed();
// A seed for the next launch or stream: differs from call to call.
std::uint64_t next_seed();

}    // namespace emu
