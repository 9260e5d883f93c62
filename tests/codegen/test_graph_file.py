"""Graphs survive a round trip through a file; anything else in a file's place is refused with one clear line."""

from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as serialize

from codegen import graph_file
from codegen.errors import UserError
from codegen.graph_file import content_hash, load, save
from codegen.ir import Concatenation, Conv2D, Graph, Mean, Padding, Quantization, Softmax, Tensor
from codegen.reference import run


def example(shape_only: bool = False) -> Graph:
    rng = np.random.default_rng(0)
    weight, bias = rng.integers(-127, 128, (4, 3, 3, 2)).astype(np.int8), rng.integers(-999, 999, 4).astype(np.int32)
    tensors = [
        Tensor("x", (1, 6, 5, 2), "int8", Quantization((float(np.float32(0.05)),), -3)),
        Tensor("w", weight.shape, "int8", Quantization((0.01, 0.02, 0.005, 0.03), 0, 0), None if shape_only else weight, True),
        Tensor("b", bias.shape, "int32", None, None if shape_only else bias, True),
        Tensor("c", (1, 3, 3, 4), "int8", Quantization((0.1,), 7)),
        Tensor("k", (1, 3, 3, 8), "int8", Quantization((0.1,), 7)),
        Tensor("m", (1, 8), "int8", Quantization((0.1,), 7)),
        Tensor("p", (1, 8), "int8", Quantization((1 / 256,), -128)),
    ]
    ops = (
        Conv2D(
            name="conv",
            inputs=("x",),
            output="c",
            weight="w",
            bias="b",
            strides=(2, 2),
            padding=Padding(0, 1, 1, 1),
            clamp=(7, 127),
        ),
        Concatenation(name="join", inputs=("c", "c"), output="k", axis=3),
        Mean(name="mean", inputs=("k",), output="m", axes=(1, 2)),
        Softmax(name="softmax", inputs=("m",), output="p", beta=0.5),
    )
    return Graph("example", {t.name: t for t in tensors}, ops, ("x",), ("p", "m")).validate()


def test_round_trip(tmp_path: Path) -> None:
    graph = example()
    save(graph, tmp_path / "graph.safetensors")
    again = load(tmp_path / "graph.safetensors")
    assert (again.name, again.ops, again.inputs, again.outputs) == (graph.name, graph.ops, graph.inputs, graph.outputs)
    assert list(again.tensors) == list(graph.tensors)
    assert all(again[n].quantization == t.quantization for n, t in graph.tensors.items())
    x = np.random.default_rng(1).integers(-128, 128, (5, 6, 5, 2)).astype(np.int8)
    expected, computed = run(graph, {"x": x}, keep_all=True), run(again, {"x": x}, keep_all=True)
    assert all(np.array_equal(computed[n], expected[n]) for n in expected)


def test_a_shape_only_graph_stays_shape_only(tmp_path: Path) -> None:
    save(example(shape_only=True), tmp_path / "graph.safetensors")
    again = load(tmp_path / "graph.safetensors")
    assert again.shape_only
    assert again["w"].constant


def test_the_same_graph_gives_the_same_bytes_and_nothing_is_left_beside(tmp_path: Path) -> None:
    save(example(), tmp_path / "a")
    save(load(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_the_hash_sees_everything_that_is_computed_and_not_the_name() -> None:
    graph = example()
    assert content_hash(graph) == content_hash(example())
    assert content_hash(graph) == content_hash(dataclasses.replace(graph, name="renamed"))
    data = np.array(graph["w"].data)
    data[0, 0, 0, 0] ^= 1
    changed = [
        {**graph.tensors, "w": dataclasses.replace(graph["w"], data=data)},
        {**graph.tensors, "x": dataclasses.replace(graph["x"], quantization=Quantization((0.05,), -4))},
    ]
    hashes = {content_hash(dataclasses.replace(graph, tensors=t)) for t in changed}
    conv = graph.ops[0]
    assert isinstance(conv, Conv2D)
    hashes.add(content_hash(dataclasses.replace(graph, ops=(dataclasses.replace(conv, clamp=(8, 127)), *graph.ops[1:]))))
    hashes.add(content_hash(example(shape_only=True)))
    assert len(hashes | {content_hash(graph)}) == 5


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.safetensors"):
        load(tmp_path / "none.safetensors")


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing.graph.*cannot write"):
        save(example(), tmp_path / "missing" / "graph")


def write(path: Path, description: object, **constants: np.ndarray) -> Path:
    path.write_bytes(serialize(constants, metadata={"graph": json.dumps(description)}))
    return path


def description_of(tmp_path: Path) -> dict[str, object]:
    save(example(shape_only=True), tmp_path / "shapes")
    raw = (tmp_path / "shapes").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    content: dict[str, object] = json.loads(header["__metadata__"]["graph"])
    return content


def test_foreign_and_newer_files_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is no graph at all")
    with pytest.raises(UserError, match="text: not a graph file"):
        load(tmp_path / "text")
    (tmp_path / "weights").write_bytes(serialize({"w": np.zeros(3, np.float32)}))
    with pytest.raises(UserError, match="weights: not a graph file"):
        load(tmp_path / "weights")
    newer = {**description_of(tmp_path), "version": graph_file.VERSION + 1}
    with pytest.raises(UserError, match="version 2, this program reads version 1"):
        load(write(tmp_path / "newer", newer))


def test_descriptions_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    sound = description_of(tmp_path)
    assert load(write(tmp_path / "sound", sound)).shape_only
    operators = sound["operators"]
    assert isinstance(operators, list)
    damaged: list[dict[str, object]] = [
        {k: v for k, v in sound.items() if k != "operators"},
        {**sound, "inputs": "x"},
        {**sound, "tensors": None},
        {**sound, "operators": [{**operators[0], "kind": "Exec"}]},
        {**sound, "operators": [{**operators[0], "kind": "Padding"}]},
        {**sound, "operators": [{**operators[0], "surprise": 1}]},
        {**sound, "operators": [{**operators[0], "strides": [1, "two"]}]},
        {**sound, "operators": [{**operators[0], "strides": [1, 2, 3]}]},
        {**sound, "operators": [{**operators[0], "padding": 3}]},
        {**sound, "operators": operators[::-1]},
    ]
    for content in damaged:
        with pytest.raises(UserError, match="damaged"):
            load(write(tmp_path / "damaged", content))
    with pytest.raises(UserError, match="unknown tensors"):
        load(write(tmp_path / "more", sound, stranger=np.zeros(2, np.int8)))
    with pytest.raises(UserError, match="declared int8"):
        load(write(tmp_path / "other", sound, w=np.zeros(2, np.int8)))


def test_truncated_and_corrupted_files_give_a_clear_error(tmp_path: Path) -> None:
    save(example(), tmp_path / "graph")
    sound = (tmp_path / "graph").read_bytes()
    rng = random.Random(0)
    messages = []
    for _ in range(400):
        content = bytearray(sound[: rng.randrange(len(sound))] if rng.random() < 0.3 else sound)
        for _ in range(rng.randrange(1, 4)):
            if content:
                content[rng.randrange(len(content))] = rng.randrange(256)
        (tmp_path / "damaged").write_bytes(content)
        try:
            load(tmp_path / "damaged")
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(m.startswith(f"{tmp_path / 'damaged'}: ") for m in messages)
