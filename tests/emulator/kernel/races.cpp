#include "races.h"

#include <algorithm>
#include <cstdlib>

namespace emu {

void SharedRaces::start_block(unsigned threads) {
    threads_ = threads;
    clocks_.resize(threads);
    objects_.clear();
    first_epoch_ = ++epoch_;
    uninitialised_ = std::getenv("FSSIM_EMU_UNINITIALISED_SHARED") != nullptr;
}

SharedRaces::Clocks& SharedRaces::refresh(Clocks& clocks) {
    if (clocks.epoch != epoch_) {
        clocks.seen.assign(threads_, 0);
        clocks.epoch = epoch_;
    }
    return clocks;
}

void SharedRaces::release(const void* object, unsigned thread) {
    Clocks& left = refresh(objects_[object]);
    Clocks& mine = refresh(clocks_[thread]);
    for (unsigned t = 0; t < threads_; t++) left.seen[t] = std::max(left.seen[t], mine.seen[t]);
    // What the thread does from here on is not part of what it left.
    left.seen[thread] = mine.own++;
}

void SharedRaces::acquire(const void* object, unsigned thread) {
    const Clocks& left = refresh(objects_[object]);
    Clocks& mine = refresh(clocks_[thread]);
    for (unsigned t = 0; t < threads_; t++) mine.seen[t] = std::max(mine.seen[t], left.seen[t]);
}

bool SharedRaces::ordered(const Stamp& stamp, unsigned thread) {
    return stamp.epoch != epoch_ || stamp.thread == thread ||
           refresh(clocks_[thread]).seen[stamp.thread] >= stamp.clock;
}

const char* SharedRaces::access(std::size_t offset, std::size_t bytes, bool write, unsigned thread) {
    const char* problem = nullptr;
    for_each_cell(offset, bytes, [&](std::size_t index, unsigned mask) {
        Cell& cell = cells_[index];
        const Stamp now = {epoch_, clocks_[thread].own, static_cast<std::uint16_t>(thread),
                           static_cast<std::uint16_t>(mask)};
        if (uninitialised_ && !write && cell.write.epoch < first_epoch_)
            problem = "read of shared memory that nobody wrote";
        if (cell.write.mask & mask && !ordered(cell.write, thread))
            problem = write ? "race: two threads write this without a barrier in between"
                            : "race: another thread wrote this without a barrier in between";
        if (!write) {
            if (cell.read[0].thread != thread) cell.read[1] = cell.read[0];
            const bool same = cell.read[0].thread == thread && cell.read[0].epoch == epoch_;
            cell.read[0] = now;
            if (same) cell.read[0].mask |= mask;
            return;
        }
        for (const Stamp& read : cell.read)
            if (read.mask & mask && !ordered(read, thread))
                problem = "race: another thread read this without a barrier in between";
        const bool same = cell.write.thread == thread && cell.write.epoch == epoch_;
        const std::uint16_t before = same ? cell.write.mask : 0;
        cell.write = now;
        cell.write.mask |= before;
    });
    return problem;
}

void SharedRaces::forget(std::size_t offset, std::size_t bytes) {
    for_each_cell(offset, bytes, [&](std::size_t index, unsigned) {
        // Written before this epoch, so initialised and in order.
        cells_[index] = {};
        cells_[index].write.epoch = std::max(first_epoch_, epoch_ - 1);
        cells_[index].write.mask = 0;
    });
}

}    // namespace emu
