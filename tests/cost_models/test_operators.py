import numpy as np

from codegen.ir import Conv2D, DepthwiseConv2D, FullyConnected, Graph, MaxPool2D, Pool2D
from codegen.samples import sample_shape
from cost_models.measurement import shape_key
from cost_models.operators import KINDS, MAX_BYTES, MAX_MACS, bundle, sample_operator
from cost_models.random_weights import fill


def sampled(count: int, seed: int = 0) -> list[Graph]:
    rng = np.random.default_rng(seed)
    return [sample_operator(rng) for _ in range(count)]


def test_samples_hold_every_kind_and_the_corners() -> None:
    graphs = sampled(400)
    assert {g.name for g in graphs} == set(KINDS)
    convolutions = [g.ops[0] for g in graphs if isinstance(g.ops[0], Conv2D | DepthwiseConv2D)]
    assert any(g["x"].shape[3] % 4 for g in graphs if isinstance(g.ops[0], Conv2D))
    assert any(g["x"].shape[1] == 1 for g in graphs if isinstance(g.ops[0], Conv2D))
    assert any(op.padding.top != op.padding.bottom for op in convolutions)
    assert any(op.strides == (2, 2) for op in convolutions)
    assert any(op.dilation != (1, 1) for op in convolutions)
    for g in graphs:
        assert all(t.nbytes <= MAX_BYTES for t in g.tensors.values())
        work = g["y"].size * g["w"].size // g["w"].shape[0] if isinstance(g.ops[0], Conv2D | FullyConnected) else 0
        assert work <= MAX_MACS


def test_samples_hold_the_shapes_of_series_sounds_and_autoencoders() -> None:
    graphs = sampled(3000)
    windowed = [g for g in graphs if isinstance(g.ops[0], Conv2D | DepthwiseConv2D)]
    for kind in (Conv2D, DepthwiseConv2D):
        rows = [g for g in windowed if isinstance(g.ops[0], kind) and g["x"].shape[1] == 1 and g["x"].shape[2] > 64]
        assert {3, 5, 7, 9} <= {g["w"].shape[2] for g in rows if g["w"].shape[1] == 1}
        assert any(g["w"].shape[1] > g["w"].shape[2] for g in windowed if isinstance(g.ops[0], kind))
    assert {(1, 2), (1, 4), (2, 1), (4, 2)} <= {g.ops[0].strides for g in windowed if isinstance(g.ops[0], Conv2D)}
    assert any(g["w"].shape[1:3] == (10, 4) for g in windowed)
    assert any(g["y"].shape[-1] > 512 for g in graphs if isinstance(g.ops[0], FullyConnected))
    pools = [g.ops[0] for g in graphs if isinstance(g.ops[0], Pool2D)]
    assert {(1, 2), (1, 4), (2, 1)} <= {op.window for op in pools}
    assert any(isinstance(op, MaxPool2D) and max(op.window) > 4 for op in pools)


def test_same_seed_same_operators() -> None:
    assert [(g.ops, g.tensors) for g in sampled(30)] != [(g.ops, g.tensors) for g in sampled(30, seed=1)]
    first, second = sampled(30), sampled(30)
    assert [(g.ops, {n: t.shape for n, t in g.tensors.items()}) for g in first] == [
        (g.ops, {n: t.shape for n, t in g.tensors.items()}) for g in second
    ]


def test_a_bundle_holds_every_operator_under_a_name_of_its_own() -> None:
    graphs = sampled(20)
    whole = bundle(graphs, "bundle").validate()
    assert [type(op) for op in whole.ops] == [type(g.ops[0]) for g in graphs]
    assert [shape_key(op, whole) for op in whole.ops] == [shape_key(g.ops[0], g) for g in graphs]
    assert len(whole.inputs) == sum(len(g.inputs) for g in graphs)
    assert whole.shape_only


def test_filled_operators_give_outputs_inside_int8() -> None:
    from codegen.reference import run

    graph = fill(bundle(sampled(24), "bundle"), np.random.default_rng(0))
    assert not graph.shape_only
    rng = np.random.default_rng(1)
    shapes = {name: (1, *sample_shape(graph[name])) for name in graph.inputs}
    outputs = run(graph, {name: rng.integers(-128, 128, shape, dtype=np.int8) for name, shape in shapes.items()})
    for op in graph.ops:
        values = outputs[op.output]
        if isinstance(op, Conv2D | DepthwiseConv2D | FullyConnected) and values.size >= 200:
            saturated = np.mean((values == -128) | (values == 127))
            assert saturated < 0.9, op.name  # half of what a ReLU leaves is its zero point
            assert len(np.unique(values)) > 20, op.name
