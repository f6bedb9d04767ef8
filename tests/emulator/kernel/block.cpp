// The scheduler: runs the threads of a block as fibres, in an order that changes at every round.
#include "block.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace emu {

Indices indices;
Block block;

namespace {

std::mutex machine;

unsigned volume(const Index& index) { return index.x * index.y * index.z; }

void thread_main() {
    block.launch->kernel->call(block.launch->params);
    Thread& self = *block.current;
    finish_thread_copies(self);
    self.state = State::exited;
    block.exited++;
    check_barriers_exit(self);
    Warp& warp = block.warp[self.linear / WARP_LANES];
    warp.present &= ~(1u << self.linear % WARP_LANES);
    warp.exited |= 1u << self.linear % WARP_LANES;
    check_warp_exit(self);
    self.fiber.finish();
}

void start_threads(const Launch& launch, const Index& block_index) {
    indices.block = block_index;
    indices.block_dim = launch.block;
    indices.grid_dim = launch.grid;
    block.threads = volume(launch.block);
    block.exited = 0;
    for (Barrier& barrier : block.barrier) barrier.expected = 0;
    for (unsigned w = 0; w * WARP_LANES < block.threads; w++) {
        const unsigned lanes = block.threads - w * WARP_LANES;
        block.warp[w].present = lanes >= WARP_LANES ? ~0u : (1u << lanes) - 1;
        block.warp[w].exited = 0;
        block.warp[w].meetings = 0;
    }
    for (unsigned i = 0; i < block.threads; i++) {
        Thread& thread = block.thread[i];
        thread.linear = i;
        thread.index = {i % launch.block.x, i / launch.block.x % launch.block.y, i / launch.block.x / launch.block.y};
        thread.state = State::ready;
        thread.fiber.start(&thread_main);
    }
}

// Where thread i waits, as text.
const char* waits_in(const Thread& thread, char* text, std::size_t bytes) {
    const char* const file = thread.place.file_name();
    const unsigned line = thread.place.line();
    switch (thread.state) {
    case State::at_barrier:
        if (block.barrier[thread.barrier].whole_block) {
            std::snprintf(text, bytes, "__syncthreads at %s:%u", file, line);
        } else {
            const Barrier& barrier = block.barrier[thread.barrier];
            std::snprintf(text, bytes, "barrier %u at %s:%u, which has %u of %u threads", thread.barrier, file, line,
                          barrier.arrived, barrier.expected);
        }
        return text;
    case State::at_warp_operation: std::snprintf(text, bytes, "a warp operation at %s:%u", file, line); return text;
    case State::at_mbarrier: describe_mbarrier_wait(thread, text, bytes); return text;
    case State::exited: return "has exited";
    case State::ready: break;
    }
    return "can run";
}

[[noreturn]] void die_of_deadlock() {
    char text[16 * 1024];
    std::size_t used = 0;
    char wait[512];
    for (unsigned first = 0; first < block.threads;) {
        char same[512];
        std::snprintf(same, sizeof same, "%s", waits_in(block.thread[first], wait, sizeof wait));
        unsigned last = first;
        while (last + 1 < block.threads && std::strcmp(same, waits_in(block.thread[last + 1], wait, sizeof wait)) == 0)
            last++;
        if (used < sizeof text)
            used += std::snprintf(text + used, sizeof text - used, "\n    threads %u to %u: %s", first, last, same);
        first = last + 1;
    }
    for (unsigned i = 0; i < block.threads; i++)
        if (block.thread[i].state != State::exited) {
            block.current = &block.thread[i];
            break;
        }
    indices.thread = block.current->index;
    die(&block.current->place, "deadlock: no thread of the block can go on%s", text);
}

void run_block(const Launch& launch, const Index& block_index, Random& random) {
    block.launch = &launch;
    block.random = &random;
    start_threads(launch, block_index);
    poison_shared_memory(launch);
    start_asynchronous();
    checker_start_block();
    while (block.exited < block.threads) {
        bool progress = false;
        Permutation order(block.threads, random);
        for (unsigned i = 0; i < block.threads; i++) {
            Thread& thread = block.thread[order.next()];
            if (thread.state != State::ready) continue;
            progress = true;
            block.current = &thread;
            indices.thread = thread.index;
            thread.fiber.resume();
            block.current = nullptr;
        }
        // Copies arrive when they like, but always before the block is given up as stuck.
        if (asynchronous_pending() && (!progress || random.below(2) == 0)) progress |= advance_asynchronous();
        if (!progress && block.exited < block.threads) die_of_deadlock();
    }
    while (advance_asynchronous()) {
    }
    block.launch = nullptr;
}

}    // namespace

void stop_blocks_at_exit() {
    std::atexit([] { machine.lock(); });
}

void wait_in(State state, const Place& place) {
    Thread& self = *block.current;
    self.state = state;
    self.place = place;
    self.fiber.suspend();
}

void run(const Launch& request) {
    static std::atomic<std::uint64_t> launches;
    Launch launch = request;
    launch.number = ++launches;
    Random random(next_seed());
    const std::uint64_t blocks = std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z;
    Permutation order(blocks, random);
    for (std::uint64_t i = 0; i < blocks; i++) {
        const std::uint64_t b = order.next();
        const std::uint64_t plane = std::uint64_t{launch.grid.x} * launch.grid.y;
        const Index index = {unsigned(b % launch.grid.x), unsigned(b / launch.grid.x % launch.grid.y),
                             unsigned(b / plane)};
        const std::lock_guard lock(machine);
        run_block(launch, index, random);
    }
}

}    // namespace emu
