"""Lists of layers as chains: whatever the layers, a chain is laid out like its graph."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.chain_layout import ChainLayouts, LinkLayout
from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.memory_plan import plan_chain
from codegen.optimize import Optimize
from codegen.passes import run_passes
from search_spaces._layers import (
    Convolution,
    Dense,
    Layer,
    Pool,
    Residual,
    convolved,
    layer_chain,
    shape_graph,
)

INPUT = (9, 6, 3)


@st.composite
def layer_lists(draw: st.DrawFn) -> list[Layer]:
    """Any layers that fit one on the other."""
    layers: list[Layer] = []
    height, width, channels = INPUT
    flat = False
    shapes = [(height, width, channels, flat)]
    for number in range(draw(st.integers(1, 8))):
        name, here, activation = f"layer{number}", (height, width, channels, flat), draw(st.booleans())
        same = [back for back, shape in enumerate(reversed(shapes)) if back and shape == here]
        maps = [] if flat else ["convolution", "convolution", "depthwise", "pool", "pool"]
        kinds = [*maps, "dense", *(["residual"] if same else [])]
        match draw(st.sampled_from(kinds)):
            case "convolution" | "depthwise" as kind:
                kernel, stride = draw(st.tuples(*2 * [st.sampled_from([1, 3, 4, 5])])), draw(st.tuples(*2 * [st.integers(1, 2)]))
                kernel = (min(kernel[0], 2 * height - 1), min(kernel[1], 2 * width - 1))
                channels = draw(st.integers(1, 20)) if kind == "convolution" else channels
                layers.append(Convolution(name, channels if kind == "convolution" else None, kernel, stride, activation))
                height, width = convolved(height, kernel[0], stride[0]), convolved(width, kernel[1], stride[1])
            case "residual":
                layers.append(Residual(name, draw(st.sampled_from(same)), activation))
            case "dense":
                shape = draw(st.sampled_from([None, (2, 3, 4)]))
                flat = shape is None
                layers.append(Dense(name, 24, activation, shape))
                height, width, channels = shape or (1, 1, 24)
            case _:
                window = draw(st.none() | st.tuples(st.integers(1, height), st.integers(1, width)))
                layers.append(Pool(name, draw(st.sampled_from(["average", "max"])), window))
                height, width = (height // window[0], width // window[1]) if window else (1, 1)
        shapes.append((height, width, channels, flat))
    return layers


def spec_of(layout: LinkLayout) -> object:
    """The spec with the link's zero points."""
    spec = layout.spec
    for name, value in layout.zero_points:
        owner, _, field = name.rpartition(".")
        spec = replace(spec, **({owner: replace(getattr(spec, owner), **{field: value})} if owner else {field: value}))
    return spec


@pytest.mark.parametrize("optimize", ["speed", "balanced"])
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m0plus", "cortex-m3"])
def test_a_chain_is_laid_out_like_its_graph(core: str, optimize: Optimize) -> None:
    layouts = ChainLayouts(CORES[core], optimize)  # what is known of one chain's links serves the next one
    covered = 0

    @settings(max_examples=100, deadline=None)
    @given(layer_lists(), st.booleans())
    def check(layers: list[Layer], signed: bool) -> None:
        nonlocal covered
        graph, chain = shape_graph("network", INPUT, layers, signed=signed), layer_chain(INPUT, layers, signed=signed)
        found = [layouts.link(link) for link in chain.links]
        known = [layout for layout in found if layout is not None]
        if len(known) < len(found):
            return
        covered += 1
        assert run_passes(graph) is graph
        assert all(run_passes(alone) is alone for alone in (link.layer() for link in chain.links))
        layout = lay_out(graph, CORES[core], optimize)
        assert layout.graph is graph
        assert [(s.kernel.name, s.spec) for s in layout.selections] == [(k.kernel.name, spec_of(k)) for k in known]
        packed = b"".join(link.demand for link in known)
        assert plan_chain(packed, len(known), chain.source.nbytes) == (layout.plan.arena_bytes, layout.plan.io_bytes)
        assert max(link.scratch for link in known) == layout.plan.scratch_bytes
        functions = [(k.family, k.zero_points) for k in known]
        specs = [(s.kernel.name, s.spec) for s in layout.selections]
        assert [functions.index(f) for f in functions] == [specs.index(spec) for spec in specs]

    check()
    assert covered > 20


def test_layers_that_differ_in_activation_are_of_one_mould() -> None:
    made = [layer_chain(INPUT, [Convolution("a", 8, (3, 3), activation=activation)]).links[0] for activation in (True, False)]
    assert made[0].mould is made[1].mould
    assert [link.zero_points[1] for link in made] == [-128, -64]


def test_layers_that_read_the_same_are_one_link_until_all_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [Convolution("a", 8, (3, 3)), Convolution("b", 12, (1, 1)), Pool("c", "max"), Dense("d", 4)]
    first = layer_chain(INPUT, layers)
    assert layer_chain(INPUT, [replace(layer, name="other_" + layer.name) for layer in layers]).links == first.links
    monkeypatch.setattr("search_spaces._layers._MOST_LINKS", 1)
    layer_chain(INPUT, [Dense("e", 5)])
    again = layer_chain(INPUT, layers)
    assert not set(again.links) & set(first.links)
    assert [link.output.shape for link in again.links] == [link.output.shape for link in first.links]
