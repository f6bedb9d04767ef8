// The access checker. Built with EMU_CHECK, kernels are compiled with -fsanitize=thread, which makes the compiler call a
// function at every load and store; those functions are in checker_hooks.cpp, in place of the sanitizer's library. Checked:
//   - the bytes belong to the shared memory of the block or to an allocation of its device, and the address is aligned;
//   - bytes of global memory that are read have been written (with FSSIM_EMU_UNINITIALISED_SHARED, shared memory as well);
//   - no two threads touch shared memory, and no two blocks global memory, at least one writing, without order between them.
// Without EMU_CHECK only the alignment of asynchronous copies is checked here.
#include "block.h"
#include "report.h"

#ifdef EMU_CHECK

#include <link.h>

#include <algorithm>
#include <cstdlib>

#include "checker.h"
#include "races.h"

namespace emu {

Memory (*find_memory)(const void* address);
const bool checks_accesses = true;

namespace {

struct Access {
    std::uintptr_t address;
    std::size_t bytes;
    bool write;
    bool atomic;
    bool aligned;        // the address must be a multiple of the size
    const void* code;    // NULL: `place` tells
    const Place* place;
};

[[noreturn]] void refuse(const Access& access, const char* problem) {
    const char* const kind = access.atomic ? "atomic operation" : access.write ? "write" : "read";
    say("emulator: %s: %s of %zu bytes at 0x%zx\n", problem, kind, access.bytes, access.address);
    char text[512];
    const void* const address = reinterpret_cast<const void*>(access.address);
    if (is_shared(address))
        say("  shared memory of the block\n");
    else if (describe_address != nullptr && describe_address(address, text, sizeof text))
        say("  %s\n", text);
    say_where(access.place);
    if (access.code != nullptr) say_source_lines(static_cast<const char*>(access.code) - 1);
    std::abort();
}

// The library's own image: its code, constants and the state of the runtime.
struct Image {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;

    Image() {
        dl_iterate_phdr(
            [](dl_phdr_info* info, std::size_t, void* data) {
                std::uintptr_t begin = ~std::uintptr_t{0};
                std::uintptr_t end = 0;
                for (int i = 0; i < info->dlpi_phnum; i++) {
                    const auto& segment = info->dlpi_phdr[i];
                    if (segment.p_type != PT_LOAD) continue;
                    begin = std::min<std::uintptr_t>(begin, info->dlpi_addr + segment.p_vaddr);
                    end = std::max<std::uintptr_t>(end, info->dlpi_addr + segment.p_vaddr + segment.p_memsz);
                }
                const auto own = reinterpret_cast<std::uintptr_t>(&block);
                if (own < begin || own >= end) return 0;
                static_cast<Image*>(data)->begin = begin;
                static_cast<Image*>(data)->end = end;
                return 1;
            },
            this);
    }
    bool holds(std::uintptr_t address) const { return address >= begin && address < end; }
};
const Image image;

// The allocations that were accessed last; asking the driver at each access would take its lock.
struct RecentMemory {
    static constexpr std::size_t SLOTS = 16;
    Memory slot[SLOTS] = {};
    std::size_t next = 0;

    const Memory& find(std::uintptr_t address) {
        const char* const at = reinterpret_cast<const char*>(address);
        for (const Memory& memory : slot)
            if (at >= memory.begin && at < memory.end) return memory;
        Memory& memory = slot[next++ % SLOTS];
        memory = find_memory != nullptr ? find_memory(at) : Memory{};
        return memory;
    }
};
RecentMemory recent_memory;

SharedRaces shared_races;

// A cell of the shadow of global memory stands for four bytes: which of them have been written, and which block of which
// launch wrote or read them last.
struct GlobalCell {
    std::uint64_t valid : 4;
    std::uint64_t written : 4;    // by `block` in `launch`
    std::uint64_t launch : 24;
    std::uint64_t block : 32;
};
static_assert(CELL_BYTES * SHADOW_FACTOR == sizeof(GlobalCell));

// Offset into the shadow of shared memory: the dynamic part first, then the static one.
std::size_t shared_offset(const char* at) {
    const char* const dynamic = static_cast<const char*>(dynamic_shared_memory());
    const std::size_t dynamic_bytes = block.launch->dynamic_shared_bytes;
    if (at >= dynamic && at < dynamic + dynamic_bytes) return static_cast<std::size_t>(at - dynamic);
    const std::size_t after = (dynamic_bytes + CELL_BYTES - 1) / CELL_BYTES * CELL_BYTES;
    return after + static_cast<std::size_t>(at - block.launch->kernel->shared_begin);
}

void check_global(const Access& access, const Memory& memory) {
    const auto begin = reinterpret_cast<std::uintptr_t>(memory.begin);
    if (access.address + access.bytes > reinterpret_cast<std::uintptr_t>(memory.end))
        refuse(access, "access past the end");
    if (memory.shadow == nullptr) return;
    GlobalCell* const cells = reinterpret_cast<GlobalCell*>(memory.shadow);
    const std::uint64_t block_number =
        indices.block.x +
        std::uint64_t{indices.grid_dim.x} * (indices.block.y + std::uint64_t{indices.grid_dim.y} * indices.block.z);
    const std::uint64_t launch_number = block.launch->number & 0xffffff;
    for_each_cell(access.address - begin, access.bytes, [&](std::size_t index, unsigned mask) {
        GlobalCell& cell = cells[index];
        if (!access.write && (cell.valid & mask) != mask) refuse(access, "read of global memory that nobody wrote");
        const bool other_block = cell.launch == launch_number && cell.block != (block_number & 0xffffffff);
        if (other_block && (cell.written & mask) != 0 && !access.atomic)
            refuse(access, access.write ? "two blocks of one launch write the same memory"
                                        : "a block reads what another block of the same launch wrote");
        if (!access.write && !access.atomic) return;
        cell.valid |= mask;
        if (access.atomic) return;
        if (cell.launch != launch_number || other_block) cell.written = 0;
        cell.written |= mask;
        cell.launch = launch_number;
        cell.block = block_number & 0xffffffff;
    });
}

// Memory of the emulator itself that a kernel touches as compiled: its parameters, constants, the indices.
bool is_own(const char* at) {
    const char* const params = static_cast<const char*>(block.launch->params);
    return image.holds(reinterpret_cast<std::uintptr_t>(at)) ||
           (at >= params && at < params + block.launch->kernel->params_bytes);
}

void check(const Access& access) {
    const char* const at = reinterpret_cast<const char*>(access.address);
    const bool shared = is_shared(at);
    if (!shared && is_own(at)) return;
    if (access.aligned && access.address % access.bytes != 0) refuse(access, "misaligned access");
    if (!shared) {
        const Memory& memory = recent_memory.find(access.address);
        if (memory.kind == Memory::Kind::unknown) refuse(access, "access outside of device memory");
        check_global(access, memory);
        return;
    }
    if (!is_shared(at + access.bytes - 1)) refuse(access, "access past the end");
    if (access.atomic) return;
    if (const char* problem = shared_races.access(shared_offset(at), access.bytes, access.write, block.current->linear))
        refuse(access, problem);
}

}    // namespace

void check_access(const void* address, std::size_t bytes, std::size_t alignment, bool write, const Place& place) {
    const Access access = {reinterpret_cast<std::uintptr_t>(address), bytes, write, false, false, nullptr, &place};
    if (access.address % alignment != 0) refuse(access, "misaligned access");
    check(access);
}

void checked_access(const void* address, std::size_t bytes, bool write, bool aligned, const void* code) {
    // Most accesses are to local variables. Those outside of a thread are the scheduler's, in inline functions it shares.
    if (block.current == nullptr || block.current->fiber.stack_holds(address)) return;
    check({reinterpret_cast<std::uintptr_t>(address), bytes, write, false, aligned, code, nullptr});
}

void check_atomic(const void* address, std::size_t bytes, const Place& place) {
    check({reinterpret_cast<std::uintptr_t>(address), bytes, true, true, true, nullptr, &place});
}

void checker_start_block() {
    const Kernel& kernel = *block.launch->kernel;
    const std::size_t fixed = static_cast<std::size_t>(kernel.shared_end - kernel.shared_begin);
    shared_races.resize(block.launch->dynamic_shared_bytes + fixed + CELL_BYTES);
    shared_races.start_block(block.threads);
    // Allocations may have been freed since the last block.
    recent_memory = {};
}
void checker_barrier_of_all() { shared_races.barrier_of_all(); }
void checker_release(const void* object) { shared_races.release(object, block.current->linear); }
void checker_acquire(const void* object) { shared_races.acquire(object, block.current->linear); }

// A copy that arrives is ordered before whatever its waiting threads do next, so it counts as nobody's access.
void checker_wrote(const void* address, std::size_t bytes) {
    shared_races.forget(shared_offset(static_cast<const char*>(address)), bytes);
}

void mark_written(unsigned char* shadow, std::size_t offset, std::size_t bytes) {
    for_each_cell(offset, bytes, [&](std::size_t index, unsigned mask) {
        reinterpret_cast<GlobalCell*>(shadow)[index].valid |= mask;
    });
}

}    // namespace emu

#else

namespace emu {

Memory (*find_memory)(const void* address);
const bool checks_accesses = false;

void check_access(const void* address, std::size_t, std::size_t alignment, bool, const Place& place) {
    if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0)
        die(&place, "misaligned access: %p is not a multiple of %zu", address, alignment);
}
void check_atomic(const void* address, std::size_t bytes, const Place& place) {
    check_access(address, bytes, bytes, true, place);
}
void checker_start_block() {}
void checker_barrier_of_all() {}
void checker_release(const void*) {}
void checker_acquire(const void*) {}
void checker_wrote(const void*, std::size_t) {}
void mark_written(unsigned char*, std::size_t, std::size_t) {}

}    // namespace emu

#endif
