"""What every search space promises; a test class of a space inherits this one and defines the fixture ``space``."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch

from codegen.errors import UserError
from codegen.importers.torch_network import prepare, to_graph
from codegen.ir import Graph, total_macs
from search_spaces import Architecture, SearchSpace

SAMPLES = 200


def outline(graph: Graph) -> list[object]:
    """Kinds, names, wiring, attributes and shapes of all operators, in order; without quantization."""
    tensors = [(t.name, t.shape, t.dtype, t.constant) for t in graph.tensors.values()]
    ops = [
        (op.kind, op.name, op.inputs, op.parameters, op.output, *(getattr(op, a, None) for a in ("strides", "window", "padding")))
        for op in graph.ops
    ]
    return [graph.inputs, graph.outputs, *tensors, *ops]


def imported_graph(space: SearchSpace, architecture: Architecture) -> Graph:
    """The int8 graph of the architecture with random weights."""
    torch.manual_seed(0)
    module = space.module(architecture)
    input_shape = space.graph(architecture)["input"].shape[1:]
    network = prepare(module, (input_shape[0], input_shape[1], input_shape[2])).eval()
    network.observe()
    with torch.no_grad():
        network(torch.rand(4, input_shape[2], input_shape[0], input_shape[1]))
    return to_graph(network, "network")


class SearchSpaceConformance:
    """Properties that hold for any space."""

    @pytest.fixture
    def architectures(self, space: SearchSpace) -> list[Architecture]:
        rng = np.random.default_rng(0)
        return [space.sample(rng) for _ in range(SAMPLES)]

    def test_samples_vary_and_follow_the_generator(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(0)
        assert [space.sample(rng) for _ in range(SAMPLES)] == architectures
        assert len({a.id for a in architectures}) > SAMPLES // 2

    def test_equality_hash_and_id_agree(self, architectures: list[Architecture]) -> None:
        assert len(set(architectures)) == len({a.id for a in architectures})
        copy = pickle.loads(pickle.dumps(architectures[0]))
        assert copy == architectures[0]
        assert copy.id == architectures[0].id

    def test_parameters_survive_json(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for a in architectures:
            params = json.loads(json.dumps(space.params(a)))
            assert space.from_params(params) == a
            assert space.params(space.from_params(params)) == space.params(a)

    def test_parameters_come_from_the_choices_in_their_order(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        choices = space.choices()
        order = list(choices)
        for a in architectures:
            params = space.params(a)
            assert list(params) == sorted(params, key=order.index)
            assert all(value in choices[name] for name, value in params.items())

    def test_every_choice_is_reached(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(1)
        missing = {(name, value) for name, options in space.choices().items() for value in options}
        for _ in range(20000):
            missing -= set(space.sample(rng).values)
            if not missing:
                break
        assert not missing

    def test_inactive_parameters_make_no_difference(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for a in architectures:
            everything = {**{name: options[-1] for name, options in space.choices().items()}, **space.params(a)}
            assert space.from_params(everything) == a

    def test_unknown_and_missing_values_are_named(self, space: SearchSpace) -> None:
        params = space.params(space.smallest())
        name = next(iter(params))
        with pytest.raises(UserError, match=f"{name} cannot be 'nonsense'"):
            space.from_params({**params, name: "nonsense"})
        del params[name]
        with pytest.raises(UserError, match=f"{name} is missing"):
            space.from_params(params)

    def test_a_mutant_is_another_network_a_step_away(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(2)
        for a in (*architectures, space.smallest()):
            child = space.mutate(a, rng)
            assert child != a
            assert child.id != a.id
            shared = set(space.params(a)) & set(space.params(child))
            assert sum(space.params(a)[name] != space.params(child)[name] for name in shared) <= 1

    def test_mutation_reaches_across_the_space(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(3)
        architecture, seen = space.smallest(), set()
        for _ in range(3000):
            architecture = space.mutate(architecture, rng)
            seen |= set(architecture.values)
        wanted = {(name, value) for name, options in space.choices().items() for value in options}
        assert len(seen) > 0.9 * len(wanted)

    def test_a_child_takes_its_values_from_its_parents(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        rng = np.random.default_rng(4)
        mixed = 0
        for a, b in zip(architectures[::2], architectures[1::2], strict=True):
            child = space.crossover(a, b, rng)
            mixed += child not in (a, b)
            for name, value in child.values:
                if name in a.parameters and name in b.parameters:
                    assert value in (a.parameters[name], b.parameters[name])
        assert mixed > len(architectures) // 4
        assert space.crossover(architectures[0], architectures[0], rng) == architectures[0]

    def test_graphs_are_valid_and_without_data(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for a in architectures:
            graph = space.graph(a).validate()
            assert graph.shape_only
            assert all(t.data is None for t in graph.tensors.values())

    def test_the_graph_is_what_the_trained_network_is_imported_as(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        for a in [space.smallest(), *(x for x in architectures if total_macs(space.graph(x)) < 5e6)][:40]:
            graph = space.graph(a)
            trained = imported_graph(space, a)
            assert outline(trained) == outline(graph)
            # What kernels are chosen by agrees as well: rectified values have zero point -128 and no clamp below it.
            for op in graph.ops:
                if graph[op.output].zero_point == -128:
                    assert trained[op.output].zero_point == -128
                assert getattr(op, "clamp", None) == getattr(trained.ops[graph.ops.index(op)], "clamp", None)

    def test_equal_architectures_have_equal_graphs(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        outlines: dict[str, list[object]] = {}
        rng = np.random.default_rng(5)
        for a in (*architectures, *(space.mutate(a, rng) for a in architectures)):
            assert outlines.setdefault(a.id, outline(space.graph(a))) == outline(space.graph(a))

    def test_no_sampled_network_is_smaller_than_the_smallest(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        def constants(a: Architecture) -> int:
            return sum(t.nbytes for t in space.graph(a).tensors.values() if t.constant)

        smallest = space.smallest()
        assert all(constants(a) >= constants(smallest) for a in architectures)
        assert all(total_macs(space.graph(a)) >= total_macs(space.graph(smallest)) for a in architectures)
