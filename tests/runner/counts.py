"""Reads out of a suite's log how many tests passed, failed and were skipped, and why."""

import re
from dataclasses import dataclass, field

# A skip says why on one line of its own, in every language: `skipped: WHAT: WHY`.
SKIP_LINE = re.compile(r"^\s*skipped: (.+?)\s*$", re.MULTILINE)
CARGO_RESULT = re.compile(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", re.MULTILINE)
CARGO_OUTPUT = re.compile(r"^---- .+ stdout ----$", re.MULTILINE)
CARGO_IGNORED = re.compile(r"^test (.+) \.\.\. ignored(?:, (.+))?$", re.MULTILINE)
PYTEST_RESULT = re.compile(r"^=* ?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s.*$", re.MULTILINE)
PYTEST_SKIP = re.compile(r"^SKIPPED \[(\d+)\] (.+)$", re.MULTILINE)
UNITTEST_RESULT = re.compile(r"^Ran (\d+) tests? in .*\n\n(.*)", re.MULTILINE)
PLAIN_RESULT = re.compile(r"^(?:\S+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$", re.MULTILINE)


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skips: list[str] = field(default_factory=list)  # one reason for each skipped test


def count(kind, log, status):
    """The counts of one suite. `kind` says how it reports; a "step" is one check that reports by its exit status alone."""
    counts = Counts(passed=1) if kind == "step" else READERS[kind](log)
    if status != 0 and counts.failed == 0:
        return Counts(0 if kind == "step" else counts.passed, 1, counts.skips)
    if counts.passed + counts.failed + len(counts.skips) == 0:
        # A suite that ran nothing proves nothing.
        return Counts(failed=1)
    return counts


def read_cargo(log):
    results = [tuple(map(int, match)) for match in CARGO_RESULT.findall(log)]
    # libtest has no skipping at run time: a test that skipped itself counts as passed there.
    sections = CARGO_OUTPUT.split(log)[1:]
    passed = sum(passed for passed, _, _ in results) - sum(bool(SKIP_LINE.search(section)) for section in sections)
    skips = SKIP_LINE.findall(log)
    ignored = [f"{name}: {why or 'marked #[ignore]'}" for name, why in CARGO_IGNORED.findall(log)]
    return Counts(passed, sum(failed for _, failed, _ in results), skips + ignored)


def read_pytest(log):
    lines = PYTEST_RESULT.findall(log)
    if not lines:
        return Counts()
    numbers = {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)", lines[-1])}
    skips = [why for number, why in PYTEST_SKIP.findall(log) for _ in range(int(number))]
    failed = sum(numbers.get(word, 0) for word in ("failed", "error", "errors"))
    return Counts(numbers.get("passed", 0) + numbers.get("xfailed", 0), failed, skips)


def read_unittest(log):
    results = UNITTEST_RESULT.findall(log)
    if not results:
        return Counts()
    ran, verdict = results[-1]
    numbers = {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", verdict)}
    failed = numbers.get("failures", 0) + numbers.get("errors", 0)
    skips = ["no reason given"] * numbers.get("skipped", 0)
    return Counts(int(ran) - failed - len(skips), failed, skips)


def read_plain(log):
    lines = PLAIN_RESULT.findall(log)
    if not lines:
        return Counts()
    passed, failed, skipped = (int(number or 0) for number in lines[-1])
    skips = SKIP_LINE.findall(log)
    return Counts(passed, failed, skips + ["no reason given"] * (skipped - len(skips)))


READERS = {"cargo": read_cargo, "pytest": read_pytest, "unittest": read_unittest, "plain": read_plain}
