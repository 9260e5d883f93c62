"""Batches of images taken apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from codegen.compile import lay_out
from codegen.cores import CORES
from codegen.ir import AveragePool2D, Conv2D, DepthwiseConv2D, Graph, MaxPool2D, Padding, Quantization, Tensor
from codegen.passes.split_batches import SplitBatches
from codegen.reference import run


def batch(images: int) -> Graph:
    """A convolution, a depthwise convolution and two pools on so many images."""
    rng = np.random.default_rng(0)
    weights = Quantization((0.01,), 0)

    def activation(name: str, channels: int, size: int = 5) -> Tensor:
        return Tensor(name, (images, size, size, channels), "int8", Quantization((0.05,), -3))

    tensors = [
        activation("x", 3),
        Tensor("w", (4, 3, 3, 3), "int8", weights, rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)),
        activation("a", 4),
        Tensor("v", (1, 3, 3, 4), "int8", weights, rng.integers(-127, 128, (1, 3, 3, 4)).astype(np.int8)),
        activation("b", 4),
        activation("c", 4, 4),
        activation("y", 4, 2),
    ]
    around = Padding(1, 1, 1, 1)
    ops = (
        Conv2D(name="conv", inputs=("x",), output="a", weight="w", padding=around),
        DepthwiseConv2D(name="depthwise", inputs=("a",), output="b", weight="v", padding=around),
        MaxPool2D(name="max", inputs=("b",), output="c", window=(2, 2), strides=(1, 1)),
        AveragePool2D(name="average", inputs=("c",), output="y", window=(2, 2), strides=(2, 2)),
    )
    return Graph("g", {t.name: t for t in tensors}, ops, ("x",), ("y",)).validate()


def test_every_image_gives_its_own_output() -> None:
    graph = batch(3)
    split = SplitBatches().run(graph)
    assert all(split[op.inputs[0]].shape[0] == 1 for op in split.ops if op.kind in ("Conv2D", "DepthwiseConv2D", "MaxPool2D"))
    x = np.random.default_rng(1).integers(-128, 128, (2, 3, 5, 5, 3)).astype(np.int8)
    np.testing.assert_array_equal(run(split, {"x": x})["y"], run(graph, {"x": x})["y"])


def test_single_images_stay_as_they_are() -> None:
    graph = batch(1)
    assert SplitBatches().run(graph) is graph


def test_taking_a_batch_apart_moves_no_byte() -> None:
    graph = batch(2)
    wide = {**graph.tensors, "x": replace(graph["x"], shape=(2, 4, 5, 3)), "a": replace(graph["a"], shape=(2, 4, 5, 4))}
    first = Graph("g", wide, graph.ops[:1], ("x",), ("a",)).validate()
    assert [s.op.kind for s in lay_out(first, CORES["cortex-m4"], "balanced").selections] == ["Conv2D", "Conv2D"]
