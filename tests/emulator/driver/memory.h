// Device, managed and page-locked memory.
//
// Device memory has two addresses. The one that the driver hands out is never accessible: host code that dereferences it
// faults. The kernels and copies use the other one, a fixed distance away; a launch translates the pointers in its
// parameters. Managed and page-locked memory is accessible at the address handed out, as on a real device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "types.h"

namespace emu {

struct Context;

enum class MemoryKind { device, managed, host };

struct Allocation {
    std::uint64_t address;    // as the driver hands it out
    std::size_t bytes;
    MemoryKind kind;
    int device;
    Context* context;
    unsigned long number;     // counts allocations, for messages
    unsigned char* shadow;    // of the access checker, or NULL
};

// Everything here may be called from any thread.
CUresult allocate_memory(MemoryKind kind, std::size_t bytes, Context* context, int device, std::uint64_t* address);
CUresult free_memory(std::uint64_t address);
void free_memory_of(const Context* context);

// The allocation that holds the address. False if there is none.
bool find_allocation(std::uint64_t address, Allocation* found);

// The accessible address of an address handed out; others come back as they are.
char* accessible(std::uint64_t address);

// Is this an address that only kernels and copies may use?
bool is_device_address(std::uint64_t address);

// Notes for the access checker that the host or a copy wrote there.
void note_written(std::uint64_t address, std::size_t bytes);

struct MemoryUse {
    std::uint64_t device_allocations, device_bytes, host_allocations, host_bytes;
};
MemoryUse memory_use();
std::uint64_t device_bytes_used(int device);
std::uint64_t device_bytes_total();
void for_each_allocation(const std::function<void(const Allocation&)>& visit);

// Tells the runtime how to find and describe memory.
void connect_memory();

}    // namespace emu
