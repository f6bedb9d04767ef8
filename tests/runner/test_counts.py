"""Tests of counts.py with the closing lines that the runners really print."""

import unittest

from .counts import Counts, count

CARGO = """
test header ... ok
test gpu ... ignored, needs two GPUs
---- simd stdout ----
skipped: fma4: this CPU has no FMA4
skipped: avx512: this CPU has no AVX-512
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.08s
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
"""
PYTEST = """
SKIPPED [2] bindings/python/tests/test_torch.py:12: no CUDA device
================ 1 failed, 7 passed, 2 skipped, 1 error in 3.21s ================
"""
PLAIN = "ok: forward\nskipped: driver: no CUDA driver\n4 passed, 0 failed, 1 skipped\n"


class CountTest(unittest.TestCase):
    def test_cargo_adds_the_results_and_takes_off_what_skipped_itself(self):
        skips = ["fma4: this CPU has no FMA4", "avx512: this CPU has no AVX-512", "gpu: needs two GPUs"]
        self.assertEqual(count("cargo", CARGO, 0), Counts(4, 0, skips))

    def test_cargo_that_does_not_compile_is_a_failure(self):
        self.assertEqual(count("cargo", "error: could not compile\n", 101), Counts(0, 1))

    def test_cargo_whose_later_binary_crashed_is_a_failure(self):
        self.assertEqual(count("cargo", CARGO, 101).failed, 1)

    def test_pytest_counts_errors_as_failures(self):
        skips = ["bindings/python/tests/test_torch.py:12: no CUDA device"] * 2
        self.assertEqual(count("pytest", PYTEST, 1), Counts(7, 2, skips))

    def test_pytest_quiet_line(self):
        self.assertEqual(count("pytest", "5 passed in 0.12s\n", 0), Counts(5))

    def test_unittest(self):
        log = "...\nRan 9 tests in 0.001s\n\nFAILED (failures=1, errors=2)\n"
        self.assertEqual(count("unittest", log, 1), Counts(6, 3))
        self.assertEqual(count("unittest", "Ran 1 test in 0.001s\n\nOK\n", 0), Counts(1))

    def test_plain_line(self):
        self.assertEqual(count("plain", PLAIN, 0), Counts(4, 0, ["driver: no CUDA driver"]))

    def test_plain_skip_without_a_reason_is_still_a_skip(self):
        self.assertEqual(count("plain", "1 passed, 0 failed, 1 skipped\n", 0).skips, ["no reason given"])

    def test_plain_failures_count_whatever_the_status(self):
        self.assertEqual(count("plain", "1 passed, 2 failed, 0 skipped\n", 0).failed, 2)

    def test_a_suite_that_ran_nothing_is_a_failure(self):
        self.assertEqual(count("cargo", "", 0), Counts(failed=1))
        self.assertEqual(count("pytest", "no tests ran in 0.01s\n", 0), Counts(failed=1))
        self.assertEqual(count("plain", "0 passed, 0 failed, 0 skipped\n", 0), Counts(failed=1))

    def test_step(self):
        self.assertEqual(count("step", "", 0), Counts(1))
        self.assertEqual(count("step", "", 1), Counts(0, 1))


if __name__ == "__main__":
    unittest.main()
