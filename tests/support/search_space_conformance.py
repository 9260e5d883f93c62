"""What every search space promises; a test class of a space inherits this one and defines the fixture ``space``."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import reimported, required_package
from graphs import random_inputs
from other_runtimes import lite_micro, onnx_literal

from codegen.boards import load_board
from codegen.compile import compile_graph, lay_out
from codegen.cores import CORES
from codegen.errors import UserError
from codegen.exporters.onnx import export_onnx
from codegen.exporters.tflite import export_tflite
from codegen.importers.torch_network import prepare, to_graph
from codegen.ir import Conv2D, FullyConnected, Graph, Op, total_macs
from codegen.optimize import Optimize
from codegen.reference import run
from codegen.verify import measure_model
from cost_models import load_cost_model
from cost_models.random_weights import fill
from search_spaces import Architecture, SearchSpace

SAMPLES = 200
BUILDS = 2
"""Networks that are built and run."""
MOST_BUILT_MACS = 300_000


def outline(graph: Graph) -> list[object]:
    """Kinds, names, wiring, attributes and shapes of all operators, in order; without quantization."""
    tensors = [(t.name, t.shape, t.dtype, t.constant) for t in graph.tensors.values()]
    ops = [
        (op.kind, op.name, op.inputs, op.parameters, op.output, *(getattr(op, a, None) for a in ("strides", "window", "padding")))
        for op in graph.ops
    ]
    return [graph.inputs, graph.outputs, *tensors, *ops]


def unnamed(op: Op, graph: Graph) -> list[object]:
    """An operator with its tensors, without names; of activations it says how many operators ago they were written."""
    written = [*graph.inputs, *(o.output for o in graph.ops)]
    position = graph.ops.index(op) + 1
    back = [position - written.index(name) for name in op.inputs]
    tensors = [graph[name] for name in (*op.inputs, *op.parameters, op.output)]
    named = ("name", "inputs", "output", "weight", "bias")
    attributes = [getattr(op, f.name) for f in dataclasses.fields(op) if f.name not in named]
    return [op.kind, back, attributes, *((t.shape, t.dtype, t.quantization, t.constant) for t in tensors)]


def imported_graph(space: SearchSpace, architecture: Architecture) -> Graph:
    """The int8 graph of the architecture with random weights."""
    torch.manual_seed(0)
    module = space.module(architecture)
    height, width, channels = space.input_shape(architecture)
    network = prepare(module, (height, width, channels)).eval()
    network.observe()
    draw = torch.randn if space.input(architecture).signed else torch.rand
    with torch.no_grad():
        network(draw(4, channels, height, width))
    return to_graph(network, "network")


def with_dead_filters(graph: Graph, rng: np.random.Generator) -> Graph:
    """The graph with zeros for half of the filters of its convolutions and matrix products, as training may leave them."""
    tensors = dict(graph.tensors)
    for op in graph.ops[:-1]:
        if isinstance(op, Conv2D | FullyConnected):
            weight = np.array(tensors[op.weight].data)
            weight[rng.random(len(weight)) < 0.5] = 0
            tensors[op.weight] = dataclasses.replace(tensors[op.weight], data=weight)
    return dataclasses.replace(graph, tensors=tensors)


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

    def test_resized_networks_are_wider_or_narrower_on_the_same_input(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        work: dict[float, int] = {}
        for factor in (0.5, 1.0, 2.0):
            resized = [space.resized(a, factor) for a in architectures]
            assert all(space.input(other) == space.input(a) for other, a in zip(resized, architectures, strict=True))
            work[factor] = sum(total_macs(space.graph(other)) for other in resized)
        assert resized == [space.resized(a, 2.0) for a in architectures]
        assert [space.resized(a, 1.0) for a in architectures] == architectures
        assert work[0.5] < work[1.0] < work[2.0]

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
        assert mixed > len(architectures) // 8
        assert space.crossover(architectures[0], architectures[0], rng) == architectures[0]

    def test_graphs_are_valid_and_without_data(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for a in architectures:
            graph = space.graph(a).validate()
            assert graph.shape_only
            assert all(t.data is None for t in graph.tensors.values())

    def test_the_graph_is_what_the_trained_network_is_imported_as(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        for a in [space.smallest(), *(x for x in architectures if total_macs(space.graph(x)) < 1e6)][:25]:
            graph = space.graph(a)
            trained = imported_graph(space, a)
            assert outline(trained) == outline(graph)
            # What kernels are chosen by agrees as well: rectified values have zero point -128 and no clamp below it.
            for op in graph.ops:
                if graph[op.output].zero_point == -128:
                    assert trained[op.output].zero_point == -128
                assert getattr(op, "clamp", None) == getattr(trained.ops[graph.ops.index(op)], "clamp", None)

    def test_a_trained_network_leaves_for_other_tools(
        self, space: SearchSpace, architectures: list[Architecture], tmp_path: Path
    ) -> None:
        """As ``.tflite`` to the bit, as ONNX but for roundings."""
        for package in ("tflite_micro", "onnx", "onnxruntime"):
            required_package(package)
        for a in [space.smallest(), *(x for x in architectures if total_macs(space.graph(x)) < MOST_BUILT_MACS)][:3]:
            graph = imported_graph(space, a)
            inputs = random_inputs(graph, 2)
            (output,) = graph.outputs
            expected = run(graph, inputs)[output]
            content = export_tflite(graph)
            assert export_tflite(reimported(content, tmp_path)) == content
            assert np.array_equal(lite_micro(content, graph, inputs)[output], expected)
            near = onnx_literal(export_onnx(graph), graph, inputs)[output].astype(int)
            assert np.abs(near - expected).mean() < 4

    def test_its_chain_is_its_graph(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        for a in architectures:
            chain, graph = space.chain(a), space.graph(a)
            other = chain.graph(graph.name)
            assert [unnamed(op, other.validate()) for op in other.ops] == [unnamed(op, graph) for op in graph.ops]
            source, taken = other[other.inputs[0]], graph[graph.inputs[0]]
            assert (source.shape, source.quantization) == (taken.shape, taken.quantization)

    @pytest.mark.parametrize("optimize", ["balanced", "speed", "size"])
    def test_a_chain_is_judged_like_its_graph(self, space: SearchSpace, optimize: Optimize) -> None:
        """No pass does anything, the order stays, and all figures are the same, those of the memory plan to the byte."""
        board = load_board("nucleo-l4r5zi")
        model = load_cost_model(board.core, optimize=optimize)
        rng = np.random.default_rng(6)
        for number in range(5 if optimize == "size" else 60):
            a, space = space.sample(rng), space.with_weight_bits(4 if number % 3 == 2 else 8)
            chain, graph = space.chain(a), space.graph(a)
            if optimize != "size":
                assert lay_out(graph, CORES[board.core], optimize).graph is graph
            quick, general = model.predict_chain(chain, board), model.predict(graph, board)
            assert bool(quick.layers) == (optimize == "size"), "the links were looked up, unless the level moves whole graphs"
            assert (quick.ram, quick.macs) == (general.ram, general.macs)
            for interval in ("flash", "cycles", "latency_ms"):
                mine, theirs = getattr(quick, interval), getattr(general, interval)
                assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high), rel=1e-12)

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

    def test_the_hand_designed_network_is_a_member_at_every_width(self, space: SearchSpace) -> None:
        """Narrower ones have the same layers and less to do."""
        designs = space.hand_designed()
        assert list(designs.values()) == sorted(set(designs.values()), reverse=True)
        assert 0 < min(designs.values()) < max(designs.values()) <= 1
        graphs = [space.graph(design) for design in designs]
        assert len({tuple(op.kind for op in graph.ops) for graph in graphs}) == 1
        macs = [total_macs(graph) for graph in graphs]
        assert macs == sorted(macs, reverse=True)
        for design in designs:
            assert space.from_params(space.params(design)) == design
            for name, width in space.published.widths.items():
                if name in design.parameters:
                    assert int(design.parameters[name]) <= width

    def test_the_module_takes_the_input_that_the_architecture_names(
        self, space: SearchSpace, architectures: list[Architecture]
    ) -> None:
        for a in [a for a in architectures if total_macs(space.graph(a)) < 1e6][:10]:
            height, width, channels = space.input_shape(a)
            graph = space.graph(a)
            assert graph["input"].shape == (1, height, width, channels) == (1, *space.input(a).shape)
            shape = graph[graph.outputs[0]].shape
            expected = (3, *shape[1:]) if len(shape) == 2 else (3, shape[3], *shape[1:3])
            assert space.module(a)(torch.zeros(3, channels, height, width)).shape == expected

    def test_fewer_choices_give_a_part_of_the_space(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(6)
        kept = {name: options[: max(1, len(options) // 2)] for name, options in space.choices().items()}
        part = space.restricted(kept)
        assert part.choices() == kept
        assert part.name == space.name
        for architecture in (part.smallest(), *(part.sample(rng) for _ in range(50))):
            assert all(value in kept[name] for name, value in architecture.values)
            assert space.from_params(part.params(architecture)).id == architecture.id
            mutant = part.mutate(architecture, rng)
            assert mutant != architecture
            assert all(value in kept[name] for name, value in mutant.values)

    def test_a_space_of_one_network_has_no_mutants(self, space: SearchSpace) -> None:
        only = space.restricted({name: options[:1] for name, options in space.choices().items()})
        with pytest.raises(UserError, match="give it more choices"):
            only.mutate(only.smallest(), np.random.default_rng(0))

    def test_foreign_restrictions_are_refused(self, space: SearchSpace) -> None:
        name = next(iter(space.choices()))
        with pytest.raises(UserError, match="no parameter colours_of_the_rainbow"):
            space.restricted({"colours_of_the_rainbow": (1,)})
        with pytest.raises(UserError, match=f"{name} cannot be"):
            space.restricted({name: (-7,)})
        with pytest.raises(UserError, match=name):
            space.restricted({name: ()})

    def test_graphs_come_fast_and_without_torch(self, space: SearchSpace) -> None:
        rng = np.random.default_rng(7)
        seconds = []
        for _ in range(5):  # the quickest counts: other programs and the collection of garbage take their time as well
            some = [space.sample(rng) for _ in range(200)]
            start = time.process_time()
            assert sum(len(space.graph(a).ops) for a in some) > 0
            seconds.append((time.process_time() - start) / len(some))
        assert min(seconds) < 1e-3
        program = (
            "import pickle, sys; space = pickle.load(sys.stdin.buffer); space.graph(space.smallest());"
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", program], input=pickle.dumps(space), check=True)

    def test_every_network_can_be_costed(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        model, board = load_cost_model("cortex-m4"), load_board("nucleo-l4r5zi")
        for a in (space.smallest(), *architectures[:60]):
            prediction = model.predict(space.graph(a), board)
            assert prediction.macs == total_macs(space.graph(a))
            assert prediction.ram.arena >= np.prod(space.input_shape(a))
            for interval in (prediction.flash, prediction.cycles, prediction.latency_ms):
                assert 0 < interval.low <= interval.value <= interval.high

    @pytest.mark.slow
    def test_built_networks_compute_what_the_reference_does(self, space: SearchSpace, architectures: list[Architecture]) -> None:
        """Imported and with weights at random; RAM is at most what was promised of the shapes, also where channels are dead."""
        model, board, core = load_cost_model("cortex-m4"), load_board("nucleo-l4r5zi"), CORES["cortex-m4"]
        small = [a for a in architectures if total_macs(space.graph(a)) < MOST_BUILT_MACS]
        assert len(small) > BUILDS
        for a in (space.smallest(), *small[:BUILDS]):
            imported = imported_graph(space, a)
            built = measure_model(compile_graph(imported, core, name="network"), board=board)
            predicted = model.predict(space.graph(a), board)
            assert built.bit_exact
            assert built.macs <= predicted.macs
            assert built.ram.arena <= predicted.ram.arena
            assert built.ram.total <= predicted.ram.total
        filled = fill(space.graph(small[BUILDS]), np.random.default_rng(0))
        built = measure_model(compile_graph(filled, core, name="network"), board=board)
        predicted = model.predict(space.graph(small[BUILDS]), board)
        assert built.bit_exact
        assert built.macs == predicted.macs
        assert built.ram.arena == predicted.ram.arena
        assert built.ram.stack <= predicted.ram.stack
        dead = with_dead_filters(filled, np.random.default_rng(1))
        pruned = measure_model(compile_graph(dead, core, name="network"), board=board)
        assert pruned.bit_exact
        assert pruned.macs <= built.macs
        assert pruned.ram.total <= predicted.ram.total
