// __syncthreads and its voting forms, and the named barriers of PTX (barrier.sync, barrier.arrive).
#include <cstring>

#include "block.h"

namespace emu {
namespace {

bool same_place(const Place& a, const Place& b) {
    return a.line() == b.line() && (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

// Some thread that waits at the barrier.
const Thread& waiter(unsigned id) {
    for (unsigned i = 0; i < block.threads; i++)
        if (block.thread[i].state == State::at_barrier && block.thread[i].barrier == id) return block.thread[i];
    return *block.current;
}

// Counts the current thread in. Returns true when the barrier is complete, after letting the waiting threads go.
bool arrive(unsigned id, unsigned threads, bool waits, const Place& place) {
    Barrier& barrier = block.barrier[id];
    if (barrier.expected == 0) {
        barrier.expected = threads;
        barrier.arrived = barrier.waiting = barrier.trues = 0;
        barrier.place = place;
    } else if (barrier.expected != threads) {
        die(&place, "barrier %u is used with %u threads here and with %u at %s:%u", id, threads, barrier.expected,
            barrier.place.file_name(), barrier.place.line());
    }
    barrier.arrived++;
    if (waits) barrier.waiting++;
    return barrier.arrived == barrier.expected;
}

void release(unsigned id) {
    for (unsigned i = 0; i < block.threads; i++) {
        Thread& thread = block.thread[i];
        if (thread.state == State::at_barrier && thread.barrier == id) thread.state = State::ready;
    }
    block.barrier[id].expected = 0;
}

}    // namespace

int sync_threads(Vote vote, bool predicate, Place place) {
    if (block.exited > 0)
        die(&place, "divergent barrier: this thread waits at __syncthreads, %u of the %u threads have exited",
            block.exited, block.threads);
    Barrier& barrier = block.barrier[0];
    if (barrier.expected != 0 && (!barrier.whole_block || !same_place(barrier.place, place))) {
        const Index& other = waiter(0).index;
        die(&place, "divergent barrier: this thread waits here, thread (%u,%u,%u) at %s:%u", other.x, other.y, other.z,
            barrier.place.file_name(), barrier.place.line());
    }
    const bool complete = arrive(0, block.threads, true, place);
    barrier.whole_block = true;
    barrier.trues += predicate;
    if (complete) {
        const unsigned trues = barrier.trues;
        barrier.result = vote == Vote::any   ? trues > 0
                         : vote == Vote::all ? trues == block.threads
                                             : static_cast<int>(trues);
        // The last thread waits too: who goes on first must not depend on who came last.
        block.current->barrier = 0;
        block.current->state = State::at_barrier;
        release(0);
        checker_barrier_of_all();
        block.current->fiber.suspend();
    } else {
        block.current->barrier = 0;
        wait_in(State::at_barrier, place);
    }
    return barrier.result;
}

namespace {

void check_named(unsigned id, unsigned threads, const Place& place) {
    if (id >= BARRIERS) die(&place, "barrier %u: there are %u", id, BARRIERS);
    if (threads == 0 || threads % WARP_LANES != 0)
        die(&place, "barrier %u: %u threads is not a positive multiple of %u", id, threads, WARP_LANES);
    if (threads > (block.threads + WARP_LANES - 1) / WARP_LANES * WARP_LANES)
        die(&place, "barrier %u waits for %u threads, the block has %u", id, threads, block.threads);
    if (id == 0 && block.barrier[0].expected != 0 && block.barrier[0].whole_block)
        die(&place, "barrier 0 is in use by __syncthreads at %s:%u", block.barrier[0].place.file_name(),
            block.barrier[0].place.line());
}

}    // namespace

void barrier_sync(unsigned id, unsigned threads, Place place) {
    check_named(id, threads, place);
    checker_release(&block.barrier[id]);
    const bool complete = arrive(id, threads, true, place);
    block.barrier[id].whole_block = false;
    block.current->barrier = id;
    block.current->place = place;
    block.current->state = State::at_barrier;
    if (complete) release(id);
    block.current->fiber.suspend();
    checker_acquire(&block.barrier[id]);
}

void barrier_arrive(unsigned id, unsigned threads, Place place) {
    check_named(id, threads, place);
    checker_release(&block.barrier[id]);
    const bool complete = arrive(id, threads, false, place);
    block.barrier[id].whole_block = false;
    if (complete) release(id);
}

void check_barriers_exit(const Thread& thread) {
    const Barrier& barrier = block.barrier[0];
    if (barrier.expected == 0 || !barrier.whole_block) return;
    const Index& other = waiter(0).index;
    die(&barrier.place, "divergent barrier: thread (%u,%u,%u) exits while thread (%u,%u,%u) waits at __syncthreads",
        thread.index.x, thread.index.y, thread.index.z, other.x, other.y, other.z);
}

}    // namespace emu
