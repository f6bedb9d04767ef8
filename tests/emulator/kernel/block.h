// The state of the block that is running; for the files of the runtime only.
#pragma once

#include <cstdint>

#include "fiber.h"
#include "launch.h"
#include "runtime.h"

namespace emu {

enum class State : std::uint8_t { ready, at_barrier, at_warp_operation, at_mbarrier, exited };

struct Thread {
    Fiber fiber;
    Index index;
    unsigned linear;
    State state;
    unsigned barrier;    // which one it waits at
    Place place;         // where it waits
};

// One of the sixteen barriers of a block.
struct Barrier {
    unsigned expected;    // threads; 0: nobody is here
    unsigned arrived;
    unsigned waiting;
    unsigned trues;    // predicates of the vote
    int result;
    bool whole_block;    // __syncthreads: every thread, from one line
    Place place;         // of the first arrival
};
constexpr unsigned BARRIERS = 16;

// An operation of the lanes that one mask names. Results are kept twice: a lane may bring its next value before a slower
// one has read the last.
struct Meeting {
    unsigned mask;
    unsigned arrived;
    unsigned parity;
    WarpOperation operation;
    Place place;    // of the first arrival
    std::uint64_t values[2][WARP_LANES];
};

struct Warp {
    static constexpr unsigned MEETINGS = 32;
    unsigned present;    // lanes that exist and have not exited
    unsigned exited;
    unsigned meetings;
    Meeting meeting[MEETINGS];
    // Of the meetings of the whole warp, twice like the values of those.
    WarpOperands operands[2];
};

struct Block {
    const Launch* launch;
    Random* random;
    unsigned threads;
    unsigned exited;
    Place exit_place;
    Thread* current;    // NULL while the scheduler runs
    Thread thread[MAX_THREADS];
    Barrier barrier[BARRIERS];
    Warp warp[MAX_THREADS / WARP_LANES];
};
extern Block block;

// Suspends the current thread until something makes it ready again.
void wait_in(State state, const Place& place);
// Called by the thread that ends, before it is gone.
void check_warp_exit(const Thread& thread);
void check_barriers_exit(const Thread& thread);

// asynchronous.cpp
void start_asynchronous();
void finish_thread_copies(const Thread& thread);
// Lets one of the copies that are under way arrive; false when there is none.
bool advance_asynchronous();
bool asynchronous_pending();
void describe_mbarrier_wait(const Thread& thread, char* text, std::size_t bytes);

// shared.cpp
void poison_shared_memory(const Launch& launch);

// checker.cpp: what is in order with what. The current thread passes its past on to an object (a barrier, the meeting of
// a warp) when it arrives there, and takes up what others left when it goes on.
void checker_start_block();
void checker_barrier_of_all();
void checker_release(const void* object);
void checker_acquire(const void* object);
void checker_wrote(const void* address, std::size_t bytes);

}    // namespace emu
