"""The faults that tests/mutate plants."""

from .both import FAULTS as BOTH_FAULTS
from .cpu import FAULTS as CPU_FAULTS
from .driver import FAULTS as DRIVER_FAULTS
from .elements import FAULTS as ELEMENT_FAULTS
from .fault import Suite
from .general import FAULTS as GENERAL_FAULTS
from .kernels import FAULTS as KERNEL_FAULTS
from .masks import FAULTS as MASK_FAULTS

FAULTS = [*KERNEL_FAULTS, *ELEMENT_FAULTS, *MASK_FAULTS, *BOTH_FAULTS, *GENERAL_FAULTS, *DRIVER_FAULTS, *CPU_FAULTS]
