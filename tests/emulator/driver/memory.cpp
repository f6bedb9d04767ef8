#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "../kernel/launch.h"
#include "../kernel/poison.h"
#include "settings.h"

namespace emu {
namespace {

constexpr std::size_t PAGE = 4096;
// Allocations start at multiples of this, as the driver promises. Each ends, up to that, at an inaccessible page.
constexpr std::size_t ALIGNMENT = 256;
// Fills memory that nobody has written, and what lies between allocations and page ends: NaN in every type.
constexpr int POISON = 0xff;
// Address space of each kind of memory. Addresses are used again only when it has run out, so that stale ones fault.
constexpr std::size_t SPAN = std::size_t{64} << 30;

constexpr std::size_t round_up(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// A range of addresses of which allocations take pieces.
struct Arena {
    std::uint64_t base = 0;                      // of the addresses handed out
    std::uint64_t distance = 0;                  // from there to the accessible ones
    std::uint64_t cursor = 0;                    // where to look for room next
    std::map<std::uint64_t, Allocation> live;    // by address

    Arena(bool hidden) {
        void* const mapping =
            mmap(nullptr, SPAN * (hidden ? 2 : 1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (mapping == MAP_FAILED) die(nullptr, "cannot reserve address space for device memory");
        base = reinterpret_cast<std::uint64_t>(mapping);
        distance = hidden ? SPAN : 0;
        cursor = base;
    }

    bool holds(std::uint64_t address) const { return address - base < SPAN; }

    // First page of `pages` free ones and a free page after them; 0: there are none.
    std::uint64_t find_room(std::size_t bytes) {
        std::uint64_t at = cursor;
        for (int turn = 0; turn < 2; turn++, at = base) {
            for (auto next = live.lower_bound(at);; ++next) {
                if (next != live.begin()) {
                    const Allocation& before = std::prev(next)->second;
                    at = std::max(at, round_up(before.address + before.bytes, PAGE) + PAGE);
                }
                const std::uint64_t end = next == live.end() ? base + SPAN : next->first / PAGE * PAGE;
                if (at + bytes + PAGE <= end) return at;
                if (next == live.end()) break;
            }
        }
        return 0;
    }

    const Allocation* find(std::uint64_t address) const {
        auto next = live.upper_bound(address);
        if (next == live.begin()) return nullptr;
        const Allocation& allocation = std::prev(next)->second;
        return address < allocation.address + allocation.bytes ? &allocation : nullptr;
    }
};

struct State {
    std::mutex mutex;
    Arena hidden{true};
    Arena visible{false};
    unsigned long allocations = 0;
    std::uint64_t total = static_cast<std::uint64_t>(number_setting("FSSIM_EMU_MEMORY", std::int64_t{4} << 30));

    Arena& arena(MemoryKind kind) { return kind == MemoryKind::device ? hidden : visible; }
};

State& state() {
    static State& leaked = *new State;    // worker threads may still run when the process exits
    return leaked;
}

std::uint64_t used(const State& s, int device) {
    std::uint64_t bytes = 0;
    for (const Arena* arena : {&s.hidden, &s.visible})
        for (const auto& [address, allocation] : arena->live)
            if (allocation.kind != MemoryKind::host && allocation.device == device) bytes += allocation.bytes;
    return bytes;
}

// What lies around an allocation in its pages must still be poison.
void check_edges(const Arena& arena, const Allocation& allocation) {
    const char* const begin = reinterpret_cast<const char*>(allocation.address + arena.distance);
    const char* const first = reinterpret_cast<const char*>((allocation.address + arena.distance) / PAGE * PAGE);
    const char* const end = begin + allocation.bytes;
    const char* const last = reinterpret_cast<const char*>(round_up(reinterpret_cast<std::uint64_t>(end), PAGE));
    allow_access(first, last - first);
    const auto written = [](char byte) { return static_cast<unsigned char>(byte) != POISON; };
    if (const char* const before = std::find_if(first, begin, written); before != begin)
        die(nullptr, "something wrote up to %td bytes before allocation %lu of %zu bytes", begin - before,
            allocation.number, allocation.bytes);
    const auto after = std::find_if(std::make_reverse_iterator(last), std::make_reverse_iterator(end), written).base();
    if (after != end)
        die(nullptr, "something wrote up to %td bytes past the end of allocation %lu of %zu bytes", after - end,
            allocation.number, allocation.bytes);
}

void release(Arena& arena, const Allocation& allocation) {
    check_edges(arena, allocation);
    const std::uint64_t begin = (allocation.address + arena.distance) / PAGE * PAGE;
    const std::size_t bytes = round_up(allocation.address + arena.distance + allocation.bytes, PAGE) - begin;
    madvise(reinterpret_cast<void*>(begin), bytes, MADV_DONTNEED);
    mprotect(reinterpret_cast<void*>(begin), bytes, PROT_NONE);
    if (allocation.shadow != nullptr)
        munmap(allocation.shadow, round_up(allocation.bytes * SHADOW_FACTOR, PAGE) + PAGE);
}

unsigned char* make_shadow(std::size_t bytes) {
    if (!checks_accesses) return nullptr;
    void* const shadow = mmap(nullptr, round_up(bytes * SHADOW_FACTOR, PAGE) + PAGE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return shadow == MAP_FAILED ? nullptr : static_cast<unsigned char*>(shadow);
}

bool describe(const void* pointer, char* text, std::size_t bytes) {
    State& s = state();
    // Called from a signal handler: rather no description than a lock that never comes.
    const std::unique_lock lock(s.mutex, std::try_to_lock);
    if (!lock.owns_lock()) return false;
    const auto address = reinterpret_cast<std::uint64_t>(pointer);
    for (const Arena* arena : {&s.hidden, &s.visible}) {
        const std::uint64_t own = arena->holds(address) ? address : address - arena->distance;
        if (!arena->holds(own)) continue;
        const Allocation* nearest = nullptr;
        auto next = arena->live.upper_bound(own);
        if (next != arena->live.begin()) nearest = &std::prev(next)->second;
        if (nearest != nullptr && own < nearest->address + nearest->bytes)
            std::snprintf(text, bytes, "byte %llu of allocation %lu (%zu bytes, device %d)",
                          static_cast<unsigned long long>(own - nearest->address), nearest->number, nearest->bytes,
                          nearest->device);
        else if (nearest != nullptr && own < nearest->address + nearest->bytes + 64 * PAGE)
            std::snprintf(text, bytes, "%llu bytes past the end of allocation %lu (%zu bytes, device %d)",
                          static_cast<unsigned long long>(own - nearest->address - nearest->bytes), nearest->number,
                          nearest->bytes, nearest->device);
        else if (next != arena->live.end() && next->first - own < 64 * PAGE)
            std::snprintf(text, bytes, "%llu bytes before allocation %lu (%zu bytes, device %d)",
                          static_cast<unsigned long long>(next->first - own), next->second.number, next->second.bytes,
                          next->second.device);
        else
            std::snprintf(text, bytes, "device memory that is not allocated; perhaps it was freed");
        return true;
    }
    return false;
}

Memory find(const void* pointer) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    const auto address = reinterpret_cast<std::uint64_t>(pointer);
    for (const Arena* arena : {&s.hidden, &s.visible}) {
        const Allocation* const found = arena->find(address - arena->distance);
        if (found == nullptr) continue;
        const char* const begin = reinterpret_cast<const char*>(found->address + arena->distance);
        return {arena->distance != 0 ? Memory::Kind::device : Memory::Kind::host_accessible, begin,
                begin + found->bytes, found->shadow};
    }
    return {};
}

}    // namespace

CUresult allocate_memory(MemoryKind kind, std::size_t bytes, Context* context, int device, std::uint64_t* address) {
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    State& s = state();
    const std::lock_guard lock(s.mutex);
    if (bytes > SPAN / 2 || (kind != MemoryKind::host && used(s, device) + bytes > s.total))
        return CUDA_ERROR_OUT_OF_MEMORY;
    Arena& arena = s.arena(kind);
    const std::size_t aligned = round_up(bytes, ALIGNMENT);
    const std::size_t pages = round_up(aligned, PAGE);
    const std::uint64_t first = arena.find_room(pages);
    if (first == 0) return CUDA_ERROR_OUT_OF_MEMORY;
    char* const usable = reinterpret_cast<char*>(first + arena.distance);
    if (mprotect(usable, pages, PROT_READ | PROT_WRITE) != 0) return CUDA_ERROR_OUT_OF_MEMORY;
    allow_access(usable, pages);
    std::memset(usable, POISON, pages);
    // The end, not the start, meets the page boundary: overruns are the common mistake.
    const std::size_t lead = pages - aligned;
    forbid_access(usable, lead);
    forbid_access(usable + lead + bytes, aligned - bytes);
    // Only device memory starts out unwritten for sure: the host may write the other kinds unseen.
    unsigned char* const shadow = kind == MemoryKind::device ? make_shadow(bytes) : nullptr;
    *address = first + lead;
    arena.live[*address] = {*address, bytes, kind, device, context, ++s.allocations, shadow};
    arena.cursor = first + pages + PAGE;
    return CUDA_SUCCESS;
}

CUresult free_memory(std::uint64_t address) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    for (Arena* arena : {&s.hidden, &s.visible}) {
        const auto found = arena->live.find(address);
        if (found == arena->live.end()) continue;
        release(*arena, found->second);
        arena->live.erase(found);
        return CUDA_SUCCESS;
    }
    return CUDA_ERROR_INVALID_VALUE;
}

void free_memory_of(const Context* context) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    for (Arena* arena : {&s.hidden, &s.visible})
        for (auto at = arena->live.begin(); at != arena->live.end();) {
            if (at->second.context != context) {
                ++at;
                continue;
            }
            release(*arena, at->second);
            at = arena->live.erase(at);
        }
}

bool find_allocation(std::uint64_t address, Allocation* found) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    for (const Arena* arena : {&s.hidden, &s.visible})
        if (const Allocation* allocation = arena->find(address)) {
            *found = *allocation;
            return true;
        }
    return false;
}

bool is_device_address(std::uint64_t address) { return state().hidden.holds(address); }

char* accessible(std::uint64_t address) {
    return reinterpret_cast<char*>(is_device_address(address) ? address + state().hidden.distance : address);
}

void note_written(std::uint64_t address, std::size_t bytes) {
    Allocation allocation;
    if (checks_accesses && find_allocation(address, &allocation) && allocation.shadow != nullptr)
        mark_written(allocation.shadow, address - allocation.address, bytes);
}

MemoryUse memory_use() {
    MemoryUse use = {};
    for_each_allocation([&](const Allocation& allocation) {
        const bool host = allocation.kind == MemoryKind::host;
        (host ? use.host_allocations : use.device_allocations)++;
        (host ? use.host_bytes : use.device_bytes) += allocation.bytes;
    });
    return use;
}

std::uint64_t device_bytes_used(int device) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    return used(s, device);
}

std::uint64_t device_bytes_total() { return state().total; }

void for_each_allocation(const std::function<void(const Allocation&)>& visit) {
    State& s = state();
    const std::lock_guard lock(s.mutex);
    for (const Arena* arena : {&s.hidden, &s.visible})
        for (const auto& [address, allocation] : arena->live) visit(allocation);
}

void connect_memory() {
    describe_address = &describe;
    find_memory = &find;
}

}    // namespace emu
