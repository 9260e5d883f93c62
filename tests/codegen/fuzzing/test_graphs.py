"""Random graphs: reproducible, valid, of every operator, and cut down to the piece that fails."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.fuzzing.graphs import GENERATORS, random_sample
from codegen.fuzzing.shrink import pieces, shrink
from codegen.fuzzing.sketch import BORDERS
from codegen.graph_file import content_hash
from codegen.reference import REFERENCE, run


def test_a_sample_is_a_function_of_seed_and_number() -> None:
    first, again, other = random_sample(3, 14), random_sample(3, 14), random_sample(3, 15)
    assert content_hash(first.graph) == content_hash(again.graph) != content_hash(other.graph)
    assert all(np.array_equal(first.inputs[name], again.inputs[name]) for name in first.graph.inputs)


def test_every_operator_has_a_generator() -> None:
    assert set(GENERATORS) == {cls.__name__ for cls in REFERENCE}


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_generator_draws_valid_operators_of_its_kind(kind: str) -> None:
    outputs = set()
    for number in range(40):
        sample = random_sample(5, number, (kind,), operators=1)
        graph = sample.graph.validate()
        assert [op.kind for op in graph.ops] == [kind]
        values = run(graph, sample.inputs)
        outputs.add(values[graph.outputs[0]].tobytes())
    assert len(outputs) > 20


def test_every_border_is_drawn_before_long() -> None:
    missing = set(BORDERS)
    for number in range(1500):
        missing -= random_sample(6, number).borders
        if not missing:
            return
    assert not missing


def test_every_operator_follows_every_other_one() -> None:
    """Chains: an operator reads what another one wrote, and one result has several readers."""
    pairs, branches = set(), 0
    for number in range(1500):
        graph = random_sample(7, number).graph
        made = {op.output: op.kind for op in graph.ops}
        pairs |= {(made[name], op.kind) for op in graph.ops for name in op.inputs if name in made}
        read = [name for op in graph.ops for name in set(op.inputs)]
        branches += any(read.count(name) > 1 for name in made)
    assert len(pairs) > 0.75 * (len(GENERATORS) - 2) * (len(GENERATORS) - 1)  # nothing reads what ArgMax and Dequantize write
    assert branches > 300


def test_the_shortest_stretch_that_fails_is_found() -> None:
    sample = next(s for s in (random_sample(8, n, operators=6) for n in range(100)) if len(s.graph.ops) == 6)
    culprit = sample.graph.ops[3]
    smallest = shrink(sample, lambda piece: culprit in piece.graph.ops)
    assert smallest.graph.ops == (culprit,)
    assert shrink(sample, lambda piece: False) is sample


def test_pieces_compute_what_the_whole_computes() -> None:
    for number in range(20):
        sample = random_sample(9, number)
        whole = run(sample.graph, sample.inputs, keep_all=True)
        for piece in pieces(sample):
            values = run(piece.graph, piece.inputs)
            for name in piece.graph.outputs:
                assert np.array_equal(values[name].ravel(), whole[name].ravel())
