"""What kernels of one activation promise; a test class inherits from here, its module defines the fixture ``cases``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_runner import CORE_BUILDS, Case, Device, Host, compute, expected, random_and_extreme
from numpy.typing import NDArray

from codegen.ir import ITEMSIZE


class KernelConformance:
    """Bit by bit the reference, on this machine and on emulated cores, apart and with the output over the input."""

    def inputs_of(self, case: Case) -> Sequence[NDArray[Any]]:
        """What it is tried on."""
        return random_and_extreme(case)

    def inputs_on_cores(self, case: Case) -> Sequence[NDArray[Any]]:
        """Those of :meth:`inputs_of` that emulation has time for."""
        return self.inputs_of(case)

    def test_equals_the_reference(self, host: Host, cases: Sequence[Case]) -> None:
        for case in cases:
            for x in self.inputs_of(case):
                np.testing.assert_array_equal(compute(host, case, [x]), expected(case, [x]), err_msg=str(case.spec))

    def test_output_may_lie_over_the_input_from_its_lead_on(self, host: Host, cases: Sequence[Case]) -> None:
        for case in cases:
            x = self.inputs_of(case)[0]
            lead = lead_of(case)
            for distance in (lead, lead + 1, lead + 4, lead + 61):
                if distance % ITEMSIZE[case.graph[case.op.output].dtype] == 0:
                    got = compute(host, case, [x], [distance])
                    np.testing.assert_array_equal(got, expected(case, [x]), err_msg=f"{distance} {case.spec}")

    @pytest.mark.parametrize(("core", "optimize"), CORE_BUILDS)
    def test_equals_the_reference_on_cores(self, core: str, optimize: str, cases: Sequence[Case], source: Path) -> None:
        device = Device(source, cases, core, optimize)
        for case in cases:
            itemsize = ITEMSIZE[case.graph[case.op.output].dtype]
            leads = [-(-lead_of(case) // itemsize) * itemsize]
            for x in self.inputs_on_cores(case):
                np.testing.assert_array_equal(compute(device, case, [x], leads), expected(case, [x]), err_msg=str(case.spec))


class WindowConformance(KernelConformance):
    """Of kernels that read what lies behind the value they write, and so need a lead: they ask for no more than that."""

    SHORT = 4
    """Bytes by which a lead is too short where it is to show."""
    LIMITED = 1 / 2
    """Part of the cases, at least, whose lead is shorter than the input."""
    BROKEN = 0.8
    """Part of those, at least, where a lead that is too short shows: elsewhere what is lost is not read, or cannot be told."""

    def test_leads_are_tight(self, host: Host, cases: Sequence[Case]) -> None:
        broken = limited = 0
        for case in cases:
            x, lead = self.inputs_of(case)[0], lead_of(case)
            if lead > -x.nbytes:
                limited += 1
                broken += not np.array_equal(compute(host, case, [x], [lead - self.SHORT]), expected(case, [x]))
        assert limited > int(len(cases) * self.LIMITED)
        assert broken > self.BROKEN * limited


def lead_of(case: Case) -> int:
    """How many bytes before the input the output has to begin; it may begin there."""
    (lead,) = case.kernel.overlap(case.spec)
    assert lead is not None
    return lead
