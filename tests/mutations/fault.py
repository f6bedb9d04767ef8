"""What a fault is."""

from dataclasses import dataclass
from enum import Enum


class Suite(Enum):
    """The tests that must catch a fault."""

    CUDA = "cuda"    # tests/cuda, on the emulated driver
    CPU = "cpu"      # tests/cpu: masks, shards and windows
    UNIT = "unit"    # the unit tests in src: for what would take a device of another size


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    what: str
    old: str    # stands exactly once in the file
    new: str
    seeds: int = 1    # thread orders to try: a missing barrier shows in most, not in all
    suite: Suite = Suite.CUDA
