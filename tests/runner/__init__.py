"""The parts of tests/run: suites, the tools they need, and the reading of their reports."""
