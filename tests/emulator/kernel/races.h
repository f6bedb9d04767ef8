// Finds accesses of shared memory by two threads of a block, at least one of them a write, that no barrier or warp
// operation puts in order. Every thread has a vector clock; a barrier of the whole block just starts a new epoch, before
// which everything is in order with everything after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "runtime.h"

namespace emu {

// Shadow memory is kept in cells of four bytes; a mask says which of them an access touches.
constexpr std::size_t CELL_BYTES = 4;

template <class F>
void for_each_cell(std::size_t offset, std::size_t bytes, F visit) {
    const std::size_t end = offset + bytes;
    for (std::size_t cell = offset / CELL_BYTES; cell * CELL_BYTES < end; cell++) {
        const std::size_t first = cell * CELL_BYTES;
        unsigned mask = 0xf;
        if (first < offset) mask &= 0xfu << (offset - first);
        if (first + CELL_BYTES > end) mask &= 0xfu >> (first + CELL_BYTES - end);
        visit(cell, mask);
    }
}

class SharedRaces {
  public:
    void start_block(unsigned threads);
    void barrier_of_all() { epoch_++; }
    void release(const void* object, unsigned thread);
    void acquire(const void* object, unsigned thread);

    // Returns what is wrong with the access, or NULL.
    const char* access(std::size_t cell_offset, std::size_t bytes, bool write, unsigned thread);
    // The bytes now belong to nobody.
    void forget(std::size_t cell_offset, std::size_t bytes);

    // Bytes of shared memory, static and dynamic, that offsets go up to.
    void resize(std::size_t bytes) { cells_.resize(bytes / CELL_BYTES + 1); }

  private:
    struct Stamp {
        std::uint32_t epoch;
        std::uint32_t clock;
        std::uint16_t thread;
        std::uint16_t mask;
    };
    struct Cell {
        Stamp write;
        Stamp read[2];    // the last two readers: a writer that reads first must not hide another reader
    };
    struct Clocks {
        std::uint32_t epoch = 0;    // `seen` is zero for every thread unless it is the current one
        std::uint32_t own = 1;
        std::vector<std::uint32_t> seen;    // by thread: what of it is known to be over
    };

    bool ordered(const Stamp& stamp, unsigned thread);
    Clocks& refresh(Clocks& clocks);

    std::vector<Cell> cells_;
    std::vector<Clocks> clocks_;
    std::unordered_map<const void*, Clocks> objects_;
    unsigned threads_ = 0;
    std::uint32_t epoch_ = 0;
    std::uint32_t first_epoch_ = 0;    // of this block
    bool uninitialised_ = false;
};

}    // namespace emu
