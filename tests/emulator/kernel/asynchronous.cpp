// Copies that run beside the threads: cp.async, bulk and tensor copies, and the mbarriers that bulk copies report to.
//
// A copy's destination holds NaN from its start until it arrives. cp.async arrives at the wait and not before; bulk copies
// arrive at a random moment and make their mbarrier complete.
#include <cstdio>
#include <cstring>
#include <vector>

#include "asynchronous.h"
#include "block.h"

namespace emu {
namespace {

struct ThreadCopy {
    char* to;
    const char* from;
    unsigned bytes;
    unsigned source_bytes;    // the rest is zero
    unsigned group;
    Place place;
};

struct ThreadCopies {
    std::vector<ThreadCopy> copies;
    unsigned committed = 0;    // groups
};

struct BulkCopy {
    char* to;
    unsigned bytes;
    Mbarrier* barrier;
    Place place;
    const void* from;    // of a plain bulk copy; NULL: a tensor copy
    TensorMap map;       // a copy: the kernel's parameters go with the thread that started it
    int corner[TENSOR_RANK];
};

// Written into shared memory by mbarrier_init; the state itself is kept here, where a kernel cannot spoil it.
constexpr std::uint64_t MBARRIER_MARK = 0x6d62617272696572;

struct MbarrierState {
    std::uint64_t* address;
    unsigned count;
    unsigned pending;
    long long transactions;
    unsigned phase;
};

ThreadCopies thread_copies[MAX_THREADS];
std::vector<BulkCopy> bulk_copies;
std::vector<MbarrierState> mbarriers;

MbarrierState& find(Mbarrier* barrier, const Place& place) {
    for (MbarrierState& state : mbarriers)
        if (state.address == barrier) {
            if (*barrier != MBARRIER_MARK)
                die(&place, "the mbarrier at %p was overwritten", static_cast<void*>(barrier));
            return state;
        }
    die(&place, "no mbarrier was initialised at %p", static_cast<void*>(barrier));
}

// Ends the phase if nothing is outstanding, and lets its waiting threads go.
void settle(MbarrierState& state) {
    if (state.pending != 0 || state.transactions != 0) return;
    state.pending = state.count;
    state.phase++;
    for (unsigned i = 0; i < block.threads; i++) {
        Thread& thread = block.thread[i];
        if (thread.state == State::at_mbarrier && mbarriers[thread.barrier].address == state.address)
            thread.state = State::ready;
    }
}

void poison(char* to, std::size_t bytes) { std::memset(to, 0xff, bytes); }

void arrive_thread_copy(const ThreadCopy& copy) {
    std::memcpy(copy.to, copy.from, copy.source_bytes);
    std::memset(copy.to + copy.source_bytes, 0, copy.bytes - copy.source_bytes);
    // It counts as a write of the thread that waited: the others need a barrier.
    check_access(copy.to, copy.bytes, copy.bytes, true, copy.place);
}

void check_bulk(const BulkCopy& copy, unsigned alignment) {
    if (!is_shared(copy.to))
        die(&copy.place, "the destination %p of a bulk copy is not shared memory", static_cast<void*>(copy.to));
    check_access(copy.to, copy.bytes, alignment, true, copy.place);
    find(copy.barrier, copy.place);
}

}    // namespace

void start_asynchronous() {
    for (unsigned i = 0; i < block.threads; i++) {
        thread_copies[i].copies.clear();
        thread_copies[i].committed = 0;
    }
    bulk_copies.clear();
    mbarriers.clear();
}

// cp.async

void copy_async(void* to, const void* from, unsigned bytes, unsigned source_bytes, Place place) {
    if (bytes != 4 && bytes != 8 && bytes != 16) die(&place, "cp.async copies 4, 8 or 16 bytes, not %u", bytes);
    if (source_bytes > bytes) die(&place, "cp.async: %u source bytes for %u", source_bytes, bytes);
    if (!is_shared(to)) die(&place, "the destination %p of cp.async is not shared memory", to);
    check_access(to, bytes, bytes, true, place);
    if (source_bytes != 0) check_access(from, source_bytes, bytes, false, place);
    ThreadCopies& mine = thread_copies[block.current->linear];
    mine.copies.push_back(
        {static_cast<char*>(to), static_cast<const char*>(from), bytes, source_bytes, mine.committed, place});
    poison(static_cast<char*>(to), bytes);
}

void copy_async_commit() { thread_copies[block.current->linear].committed++; }

void copy_async_wait(unsigned pending_groups) {
    ThreadCopies& mine = thread_copies[block.current->linear];
    std::size_t kept = 0;
    for (const ThreadCopy& copy : mine.copies) {
        if (copy.group < mine.committed && copy.group + pending_groups < mine.committed)
            arrive_thread_copy(copy);
        else
            mine.copies[kept++] = copy;
    }
    mine.copies.resize(kept);
}

void finish_thread_copies(const Thread& thread) {
    ThreadCopies& copies = thread_copies[thread.linear];
    for (const ThreadCopy& copy : copies.copies) arrive_thread_copy(copy);
    copies.copies.clear();
}

// mbarrier

void mbarrier_init(Mbarrier* barrier, unsigned count, Place place) {
    if (!is_shared(barrier)) die(&place, "the mbarrier at %p is not in shared memory", static_cast<void*>(barrier));
    check_access(barrier, sizeof *barrier, sizeof *barrier, true, place);
    if (count == 0 || count >= 1u << 20) die(&place, "mbarrier: a count of %u is not in 1..2^20-1", count);
    for (const MbarrierState& state : mbarriers)
        if (state.address == barrier)
            die(&place, "the mbarrier at %p is initialised twice", static_cast<void*>(barrier));
    *barrier = MBARRIER_MARK;
    checker_wrote(barrier, sizeof *barrier);
    mbarriers.push_back({barrier, count, count, 0, 0});
}

void mbarrier_arrive(Mbarrier* barrier, unsigned expected_bytes, Place place) {
    MbarrierState& state = find(barrier, place);
    if (state.pending == 0) die(&place, "mbarrier: more arrivals in one phase than its count of %u", state.count);
    state.transactions += expected_bytes;
    state.pending--;
    checker_release(barrier);
    settle(state);
}

void mbarrier_expect_bytes(Mbarrier* barrier, unsigned bytes, Place place) {
    find(barrier, place).transactions += bytes;
}

bool mbarrier_try_wait(Mbarrier* barrier, unsigned parity, Place place) {
    if (parity > 1) die(&place, "mbarrier: a parity is 0 or 1, not %u", parity);
    const MbarrierState& state = find(barrier, place);
    if ((state.phase & 1) == parity) {
        block.current->barrier = static_cast<unsigned>(&state - mbarriers.data());
        wait_in(State::at_mbarrier, place);
    }
    // The instruction may give up at any time; doing so at random shows a wait without a loop.
    if (block.random->below(4) == 0) return false;
    checker_acquire(barrier);
    return true;
}

void describe_mbarrier_wait(const Thread& thread, char* text, std::size_t bytes) {
    const MbarrierState& state = mbarriers[thread.barrier];
    std::snprintf(text, bytes, "mbarrier %u at %s:%u, in phase %u, which lacks %u arrivals and %lld bytes",
                  thread.barrier, thread.place.file_name(), thread.place.line(), state.phase, state.pending,
                  state.transactions);
}

// Bulk copies

void bulk_copy(void* to, const void* from, unsigned bytes, Mbarrier* barrier, Place place) {
    if (bytes == 0 || bytes % 16 != 0) die(&place, "a bulk copy takes a positive multiple of 16 bytes, not %u", bytes);
    const BulkCopy copy = {static_cast<char*>(to), bytes, barrier, place, from, {}, {}};
    check_bulk(copy, 16);
    check_access(from, bytes, 16, false, place);
    poison(copy.to, bytes);
    bulk_copies.push_back(copy);
}

void tensor_copy(void* to, const void* map_address, int rank, const int* corner, Mbarrier* barrier, Place place) {
    const TensorMap& map = *static_cast<const TensorMap*>(map_address);
    if (reinterpret_cast<std::uintptr_t>(map_address) % 64 != 0) die(&place, "a tensor map must be 64-byte aligned");
    if (map.mark != TensorMap::MARK) die(&place, "this is not a tensor map of cuTensorMapEncodeTiled");
    if (map.rank != rank) die(&place, "a %d-dimensional copy with a tensor map of %d dimensions", rank, int{map.rank});
    BulkCopy copy = {static_cast<char*>(to), map.box_bytes(), barrier, place, nullptr, map, {}};
    for (int i = 0; i < rank; i++) copy.corner[i] = corner[i];
    check_bulk(copy, 128);
    poison(copy.to, copy.bytes);
    bulk_copies.push_back(copy);
}

bool asynchronous_pending() { return !bulk_copies.empty(); }

bool advance_asynchronous() {
    if (bulk_copies.empty()) return false;
    const std::size_t chosen = block.random->below(bulk_copies.size());
    const BulkCopy copy = bulk_copies[chosen];
    bulk_copies.erase(bulk_copies.begin() + static_cast<std::ptrdiff_t>(chosen));
    if (copy.from != nullptr)
        std::memcpy(copy.to, copy.from, copy.bytes);
    else
        copy.map.gather(copy.to, copy.corner, copy.place);
    checker_wrote(copy.to, copy.bytes);
    MbarrierState& state = find(copy.barrier, copy.place);
    state.transactions -= copy.bytes;
    settle(state);
    return true;
}

}    // namespace emu
