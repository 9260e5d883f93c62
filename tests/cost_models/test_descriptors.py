"""Which numbers of a spec are described."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from codegen.compile import lay_out
from codegen.cores import CORES
from cost_models.descriptors import descriptors, shared_functions, shared_names
from cost_models.operators import sample_operator


@dataclass(frozen=True)
class Part:
    name: str
    tile: int


@dataclass(frozen=True)
class Spec:
    width: int
    fused: bool
    factor: float
    kernel: tuple[int, int]
    form: str
    blocks: tuple[Part, ...] = ()
    other: Part | None = None

    @property
    def area(self) -> int:
        return self.width * self.width


def test_every_number_and_word_has_its_name() -> None:
    spec = Spec(6, True, 0.5, (3, 9), "linear", (Part("f", 5),))
    assert descriptors(spec, {"rows": 4, "rest": 0}) == {
        "has rows": 1.0,
        "width": 6.0,
        "width % 4": 2.0,
        "fused": 1.0,
        "factor": 0.5,
        "kernel.0": 3.0,
        "kernel.1": 9.0,
        "kernel.1 % 4": 1.0,
        "form=linear": 1.0,
        "blocks.0.name=f": 1.0,
        "blocks.0.tile": 5.0,
        "blocks.0.tile % 4": 1.0,
        "area": 36.0,
        "area % 4": 0.0,
    }


def test_a_part_that_is_not_there_has_no_numbers() -> None:
    spec = Spec(2, False, 8.0, (1, 1), "linear")
    assert not any(name.startswith("other") for name in descriptors(spec, {}))
    described = descriptors(replace(spec, other=Part("g", 3)), {})
    assert (described["other.tile"], described["factor % 4"]) == (3.0, 0.0)
    assert shared_names(described) == list(shared_functions(described)) == ["g"]


def test_zero_points_of_requantised_layers_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(200):
        for s in lay_out(sample_operator(rng), CORES["cortex-m4"], "balanced").selections:
            if not hasattr(s.spec, "requantization") or not hasattr(s.spec, "zero_point"):
                continue
            source, output = (int(n) for n in rng.integers(-128, 128, 2))
            spec = replace(s.spec, zero_point=source, requantization=replace(s.spec.requantization, zero_point=output))
            assert descriptors(spec, {}) == descriptors(s.spec, {})
            compared += 1
    assert compared > 50
