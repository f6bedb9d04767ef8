// Copies that run beside the threads; used through include/intrinsics.cuh.
#pragma once

#include "runtime.h"
#include "tensor_map.h"

namespace emu {

// cp.async of the calling thread. The destination beyond source_bytes is filled with zeros.
void copy_async(void* to, const void* from, unsigned bytes, unsigned source_bytes, Place place);
void copy_async_commit();
// Waits until at most `pending_groups` of the latest committed groups are under way.
void copy_async_wait(unsigned pending_groups);

// An mbarrier is eight bytes of shared memory.
using Mbarrier = std::uint64_t;
void mbarrier_init(Mbarrier* barrier, unsigned count, Place place);
// Expects that many more bytes in this phase, then arrives.
void mbarrier_arrive(Mbarrier* barrier, unsigned expected_bytes, Place place);
void mbarrier_expect_bytes(Mbarrier* barrier, unsigned bytes, Place place);
// Has the phase of this parity completed? May say no too early, as the instruction may.
bool mbarrier_try_wait(Mbarrier* barrier, unsigned parity, Place place);

// Bulk copies from global to shared memory, which count their bytes off the mbarrier when they arrive.
void bulk_copy(void* to, const void* from, unsigned bytes, Mbarrier* barrier, Place place);
void tensor_copy(void* to, const void* map, int rank, const int* corner, Mbarrier* barrier, Place place);

}    // namespace emu
