"""Graphs that left as files: read again, compared, run in other runtimes."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen import ir
from codegen.importers.tflite import import_tflite


def required_package(name: str) -> None:
    """The test is skipped where the package is missing, except under continuous integration, which requires it."""
    if importlib.util.find_spec(name) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed")
        pytest.skip(f"{name} is not installed")


def reimported(content: bytes, folder: Path) -> ir.Graph:
    """The graph of a ``.tflite`` file's bytes."""
    path = folder / "exported.tflite"
    path.write_bytes(content)
    return import_tflite(path)


def computed(graph: ir.Graph) -> tuple[Any, ...]:
    """All that decides what a graph computes and how its tensors are called, to compare graphs by: no names of operators, no
    tensors that nothing refers to, no scales of biases (their use implies them), no strides along an axis of which one element is
    taken.
    """
    ops = []
    for op in graph.ops:
        if isinstance(op, ir.Slice):
            op = replace(op, strides=tuple(1 if n == 1 else s for n, s in zip(op.size, op.strides, strict=True)))
        ops.append(replace(op, name=""))
    used = {name for op in ops for name in (*op.inputs, *op.parameters, op.output)} | set(graph.inputs)
    tensors = {
        t.name: (t.shape, t.dtype, None if t.dtype == "int32" else t.quantization, None if t.data is None else t.data.tobytes())
        for t in graph.tensors.values()
        if t.name in used
    }
    return tuple(ops), tensors, graph.inputs, graph.outputs
