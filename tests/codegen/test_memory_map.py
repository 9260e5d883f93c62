"""The map of the arena: true to the plan, compact, well-formed."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from graphs import NETWORKS, GraphBuilder, image
from projects import compiled

from codegen.compile import compile_graph, lay_out
from codegen.cores import CORES
from codegen.memory_map import areas, bytes_in_use, text_map
from codegen.project.memory_map_svg import memory_map_svg

M4 = CORES["cortex-m4"]
NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("network", NETWORKS)
def test_areas_are_the_plans(network: str) -> None:
    layout = compiled(network).layout
    found = areas(layout)
    assert max(s.end for area in found for s in area.stays) == layout.plan.arena_bytes
    assert min(s.begin for area in found for s in area.stays) == 0
    assert sum(area.kind == "scratch" for area in found) == len(layout.plan.scratch)
    assert sum(area.kind == "input" for area in found) == len(layout.graph.inputs)
    for layer, selection in enumerate(layout.selections):
        begin = layout.plan.offsets[selection.op.output]
        end = begin + layout.graph[selection.op.output].nbytes
        assert any(s.begin <= begin and end <= s.end and s.first <= layer <= s.last for area in found for s in area.stays)
        assert layout.graph[selection.op.output].nbytes <= bytes_in_use(found, layer) <= layout.plan.arena_bytes


def test_rows_of_a_strip_come_and_go_on_their_own() -> None:
    found = {area.name: area for area in areas(lay_out(image(), M4, "size"))}
    assert max(len(area.stays) for area in found.values()) > 2
    assert "conv0 strip 0" not in found  # it is a part of its operator's result


def test_text_shows_each_kind_of_buffer_and_stays_compact() -> None:
    text = text_map(compiled("separable").layout)
    grid = "".join(re.findall(r"\|(.*)\|", text))
    assert {"I", "%", "a"} <= set(grid)
    assert len(re.findall(r"\|.*\|", text)) <= 16
    wide = text_map(lay_out(image(), M4, "speed", arena_limit=5000))
    assert max(map(len, wide.splitlines())) <= 132


def test_a_graph_without_a_layer_has_a_map_too() -> None:
    builder = GraphBuilder("reshaped")
    model = compile_graph(builder.graph(builder.reshape(builder.input(1, 4, 6), 1, 24)), M4)
    assert not model.layout.selections
    assert text_map(model.layout) == "memory map    24 bytes of arena; no layer runs, the output is the input"
    root = ElementTree.fromstring(memory_map_svg(model).split("\n", 1)[1])
    assert len(list(root.iter(f"{NAMESPACE}g"))) == 1


def test_drawing_is_well_formed_and_holds_a_box_for_every_stay() -> None:
    model = compile_graph(image(), M4, optimize="size")
    text = memory_map_svg(model)
    assert text == memory_map_svg(model)
    root = ElementTree.fromstring(text.split("\n", 1)[1])
    boxes = [rect for group in root.iter(f"{NAMESPACE}g") for rect in group.iter(f"{NAMESPACE}rect")]
    found = areas(model.layout)
    assert len(boxes) == sum(len(area.stays) for area in found)
    assert [group[0].text for group in root.iter(f"{NAMESPACE}g")] == [f"{a.name}: {a.size:,} bytes" for a in found]
    tallest = max(float(box.get("height", "0")) for box in boxes)
    largest = max(s.end - s.begin for area in found for s in area.stays)
    assert tallest == pytest.approx(400 * largest / model.plan.arena_bytes, abs=0.1)
    assert len(text) < 40_000
