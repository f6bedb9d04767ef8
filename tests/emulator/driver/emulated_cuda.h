/*
 * What the emulated driver offers beyond the CUDA driver API, for tests. Find the functions with dlsym: no real driver has
 * them, so a test can tell the two apart.
 */
#ifndef EMULATED_CUDA_H
#define EMULATED_CUDA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is alive now, and what has happened since the process started. New members are added at the end. */
struct cuEmuCounts {
    uint64_t calls;              /* driver calls, error texts and cuGetProcAddress not counted */
    uint64_t failed_calls;       /* those that did not return 0 or 600 (not ready) */
    uint64_t launches;           /* kernels that ran, graph nodes included */
    uint64_t blocks;             /* blocks that ran */
    uint64_t contexts;           /* alive, made by cuCtxCreate */
    uint64_t primary_references; /* of all primary contexts together */
    uint64_t streams;            /* alive, made by cuStreamCreate */
    uint64_t events;
    uint64_t graphs; /* graphs and executable graphs */
    uint64_t libraries;
    uint64_t device_allocations; /* device and managed memory */
    uint64_t device_bytes;
    uint64_t host_allocations; /* page-locked */
    uint64_t host_bytes;
};
void cuEmuCounters(struct cuEmuCounts* counts);

/*
 * Makes calls fail from now on; see FSSIM_EMU_FAIL in README.md for the rules. Clears the rules given before, counts calls
 * from 0 again, and revives a lost device. NULL or "": no call fails. Returns 0, or 1 if the rules cannot be read.
 */
int cuEmuFail(const char* rules);

/* How often a rule has made a call fail since cuEmuFail. */
uint64_t cuEmuFailures(void);

/* Calls that rules have counted since cuEmuFail: the next one has this index. */
uint64_t cuEmuCallIndex(void);

/*
 * The parameter structs of kernels/params.cuh as the compiler laid them out, one line each:
 *     StripParams 312 8              (struct, sizeof, alignof)
 *     StripParams.map 120 8          (member, offsetof, sizeof)
 */
const char* cuEmuParamsLayout(void);

#ifdef __cplusplus
}
#endif

#endif
