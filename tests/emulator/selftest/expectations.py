"""What each build of the emulator must find in each planted fault.

A scenario maps builds to a pattern of what it must print before it ends the process. WRONG: the result comes out wrong
(NaN, mostly) with at least one of a few seeds, which is how a test suite notices. A build that is not named need not notice.
In a pattern LINE stands for `faulty.cu:` and any line of the scenario's kernel.
"""

WRONG = "wrong"
PLAIN, CHECK, SANITIZE = "plain", "check", "sanitize"


def all_builds(pattern):
    return {PLAIN: pattern, CHECK: pattern, SANITIZE: pattern}


EXPECTED = {
    "fault_missing_barrier": {
        PLAIN: WRONG,
        SANITIZE: WRONG,
        CHECK: r"race: another thread (wrote|read) this(.|\n)*fault_missing_barrier, block \(0,0,0\), thread \(\d+,0,0\)(.|\n)*LINE",
    },
    "fault_missing_second_barrier": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: r"race: another thread (wrote|read) this"},
    "fault_divergent_lines": all_builds(r"divergent barrier: this thread waits here, thread \(\d+,0,0\) at LINE(.|\n)*block \(0,0,0\), thread"),
    "fault_divergent_exit": all_builds(r"divergent barrier(.|\n)*LINE"),
    "fault_named_barrier_deadlock": all_builds(r"deadlock(.|\n)*threads 0 to 63: barrier 1 at LINE, which has 64 of 128 threads(.|\n)*threads 64 to 255: has exited"),
    "fault_named_barrier_counts": all_builds(r"barrier 1 is used with (128|256) threads here and with (256|128) at LINE"),
    "fault_shuffle_exited": all_builds(r"(lane 31, which has exited|lane 31 exits, lane \d+ waits for it)(.|\n)*LINE"),
    "fault_shuffle_own_lane": all_builds(r"mask 0000ffff does not name the calling lane"),
    "fault_shuffle_diverged": all_builds(r"lanes of one warp diverge"),
    "fault_shuffle_deadlock": all_builds(r"deadlock(.|\n)*a warp operation at LINE(.|\n)*__syncthreads at LINE"),
    "fault_mma_diverged": all_builds(r"(lane 3[01], which has exited|lane 3[01] exits, lane \d+ waits for it)(.|\n)*LINE"),
    "fault_ldmatrix_no_barrier": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: r"race: another thread (wrote|read) this(.|\n)*LINE"},
    "fault_ldmatrix_misaligned": all_builds(r"misaligned access(.|\n)*LINE"),
    "fault_ldmatrix_global": all_builds(r"ldmatrix reads shared memory, and \S+ is not(.|\n)*LINE"),
    "fault_global_past_end": {
        PLAIN: r"bad access at(.|\n)*0 bytes past the end of allocation 1 \(1024 bytes, device 0\)(.|\n)*thread \(255,0,0\)(.|\n)*LINE",
        CHECK: r"access outside of device memory: read of 4 bytes(.|\n)*0 bytes past the end of allocation 1(.|\n)*LINE",
        SANITIZE: r"(0 bytes past the end of allocation 1|AddressSanitizer)(.|\n)*thread \(255,0,0\)",
    },
    "fault_global_write_past_end": {
        PLAIN: r"bad access at(.|\n)*0 bytes past the end of allocation 2",
        CHECK: r"access outside of device memory: write of 4 bytes(.|\n)*0 bytes past the end of allocation 2",
        SANITIZE: r"(0 bytes past the end of allocation 2|AddressSanitizer)(.|\n)*thread \(255,0,0\)",
    },
    "write_into_the_edge": {
        PLAIN: r"something wrote up to 4 bytes past the end of allocation 2 of 1016 bytes",
        CHECK: r"access outside of device memory: write of 4 bytes(.|\n)*past the end of allocation 2",
        SANITIZE: r"AddressSanitizer: use-after-poison(.|\n)*thread \(253,0,0\)",
    },
    "fault_global_page_past_end": all_builds(r"past the end of allocation 1"),
    "fault_global_before": {
        PLAIN: WRONG,
        CHECK: r"access outside of device memory(.|\n)*4 bytes before allocation 1",
        SANITIZE: r"AddressSanitizer: use-after-poison(.|\n)*thread \(0,0,0\)",
    },
    "fault_global_uninitialised": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: r"read of global memory that nobody wrote(.|\n)*LINE"},
    "fault_global_misaligned": {CHECK: r"misaligned (access|address)", SANITIZE: r"misaligned address(.|\n)*thread"},
    "fault_null": all_builds(r"(bad access at|null pointer|access outside of device memory)(.|\n)*thread"),
    "fault_host_memory": {CHECK: r"access outside of device memory: read(.|\n)*LINE"},
    "use_after_free": all_builds(r"allocat(.|\n)*thread"),
    "host_dereference": all_builds(r"host code touches device memory(.|\n)*byte 0 of allocation 1"),
    "fault_two_blocks_write": {CHECK: r"two blocks of one launch write the same memory(.|\n)*block \([01],0,0\)"},
    "fault_shared_past_end": {SANITIZE: r"(global-buffer-overflow|insufficient space)(.|\n)*thread \(255,0,0\)"},
    "fault_dynamic_past_end": {
        PLAIN: r"bad access at(.|\n)*LINE",
        CHECK: r"access outside of device memory: write of 4 bytes(.|\n)*LINE",
        SANITIZE: r"(bad access|AddressSanitizer)(.|\n)*thread",
    },
    "fault_shared_uninitialised": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: r"read of shared memory that nobody wrote(.|\n)*LINE"},
    "fault_shared_misaligned": {CHECK: r"misaligned", SANITIZE: r"misaligned address(.|\n)*thread"},
    "fault_copy_async_no_wait": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: WRONG},
    "fault_copy_async_no_barrier": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: r"race"},
    "fault_copy_async_misaligned": all_builds(r"misaligned access(.|\n)*LINE"),
    "fault_bulk_no_wait": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: WRONG},
    "fault_try_wait_once": {PLAIN: WRONG, SANITIZE: WRONG, CHECK: WRONG},
    "fault_mbarrier_deadlock": all_builds(r"deadlock(.|\n)*mbarrier 0 at LINE, in phase 0, which lacks 0 arrivals and 16 bytes"),
    "fault_mbarrier_uninitialised": all_builds(r"no mbarrier was initialised at"),
    "fault_stack_overflow": all_builds(r"stack.overflow"),
    "fault_signed_overflow": {CHECK: r"signed integer overflow(.|\n)*thread", SANITIZE: r"signed integer overflow(.|\n)*thread"},
}
