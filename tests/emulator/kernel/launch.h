// Kernels as the driver sees them, and how it runs one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime.h"

namespace emu {

// One `extern "C" __global__` function. The build script generates these.
struct Kernel {
    const char* name;
    std::size_t params_bytes;
    std::size_t params_alignment;
    void (*call)(const void* params);
    // The static shared memory of the kernel's source file.
    char* shared_begin;
    char* shared_end;
};

const Kernel* find_kernel(const char* name);

// The kernels of one source file, linked into the list before main.
struct KernelFile {
    KernelFile(const Kernel* kernels, std::size_t count);
    const Kernel* kernels;
    std::size_t count;
    KernelFile* next;
};

struct Launch {
    const Kernel* kernel;
    const void* params;
    Index grid;
    Index block;
    std::size_t dynamic_shared_bytes;
    std::uint64_t number;    // differs from launch to launch
};

// Runs every block of the launch, one after the other in shuffled order, on the calling thread. Launches of other
// threads take turns with it block by block.
void run(const Launch& launch);

// Lets no block run once the process begins to exit: the state of the runtime is about to be destroyed.
void stop_blocks_at_exit();

// Held by each thread that calls run(): its faults are those of kernels, and their handler has a stack of its own.
class KernelThread {
  public:
    KernelThread();
    ~KernelThread();
    KernelThread(const KernelThread&) = delete;
    KernelThread& operator=(const KernelThread&) = delete;

  private:
    void* signal_stack_;
};

// What lies at a device address, for messages; writes nothing and returns false when it knows nothing. Set by the driver.
extern bool (*describe_address)(const void* address, char* text, std::size_t bytes);

// How the checker finds out whether the kernel may touch memory that is not its own. Set by the driver.
struct Memory {
    enum class Kind { unknown, device, host_accessible } kind;
    const char* begin;    // of the allocation
    const char* end;
    // SHADOW_FACTOR bytes of state for each byte; NULL when none is kept.
    unsigned char* shadow;
};
constexpr std::size_t SHADOW_FACTOR = 2;
extern Memory (*find_memory)(const void* address);
// Does this build keep shadows?
extern const bool checks_accesses;
// The host wrote these bytes of an allocation.
void mark_written(unsigned char* shadow, std::size_t offset, std::size_t bytes);

}    // namespace emu
