"""Exported networks in runtimes that others wrote: TensorFlow Lite Micro, LiteRT and ONNX Runtime.

Each function takes the bytes of a file, the graph it was written from and inputs by name, ``(n, *sample shape)``, and gives outputs
in the form of the numpy reference's. The packages are those of the extra ``test``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from codegen.ir import Graph, Tensor
from codegen.samples import quantize, sample_shape

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Runtime: TypeAlias = Callable[[bytes, Graph, Arrays], dict[str, NDArray[Any]]]

_ARENA_BYTES = 8 * 1024 * 1024


def lite_micro(content: bytes, graph: Graph, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """TensorFlow Lite Micro, reference kernels."""
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(content, arena_size=_ARENA_BYTES)

    def infer(sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, values in enumerate(sample):
            interpreter.set_input(values, index)
        interpreter.invoke()
        return [interpreter.get_output(index) for index in range(len(graph.outputs))]

    return _each(graph, inputs, infer)


def lite_reference(content: bytes, graph: Graph, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """LiteRT, reference kernels."""
    from ai_edge_litert.interpreter import OpResolverType

    return _lite(content, graph, inputs, OpResolverType.BUILTIN_REF)


def lite_xnnpack(content: bytes, graph: Graph, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """LiteRT as it comes: XNNPACK where that has a kernel."""
    from ai_edge_litert.interpreter import OpResolverType

    return _lite(content, graph, inputs, OpResolverType.AUTO)


def _lite(content: bytes, graph: Graph, inputs: Arrays, kernels: Any) -> dict[str, NDArray[Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()
    sources = [about["index"] for about in interpreter.get_input_details()]
    results = [about["index"] for about in interpreter.get_output_details()]

    def infer(sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        for index, values in zip(sources, sample, strict=True):
            interpreter.set_tensor(index, values)
        interpreter.invoke()
        return [interpreter.get_tensor(index).copy() for index in results]

    return _each(graph, inputs, infer)


def onnx_literal(content: bytes, graph: Graph, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """ONNX Runtime, node by node as the file says: float32 between quantizations."""
    return _onnx(content, graph, inputs, optimized=False)


def onnx_runtime(content: bytes, graph: Graph, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """ONNX Runtime as it comes: integer kernels where it finds their patterns."""
    return _onnx(content, graph, inputs, optimized=True)


def _onnx(content: bytes, graph: Graph, inputs: Arrays, *, optimized: bool) -> dict[str, NDArray[Any]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    sources = [graph[name] for name in graph.inputs]
    results = [graph[name] for name in graph.outputs]

    def infer(sample: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        feed = {t.name: _real(t, values) for t, values in zip(sources, sample, strict=True)}
        return [_stored(t, values) for t, values in zip(results, session.run(None, feed), strict=True)]

    return _each(graph, inputs, infer)


def _real(tensor: Tensor, values: NDArray[Any]) -> NDArray[np.float32]:
    if tensor.dtype != "int8":
        return values
    real: NDArray[np.float32] = (values.astype(np.float32) - np.float32(tensor.zero_point)) * np.float32(tensor.scale)
    return real


def _stored(tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    return quantize(values, tensor.scale, tensor.zero_point) if tensor.dtype == "int8" else values


def _each(
    graph: Graph, inputs: Arrays, infer: Callable[[Sequence[NDArray[Any]]], Iterable[NDArray[Any]]]
) -> dict[str, NDArray[Any]]:
    """Run sample by sample."""
    count = len(inputs[graph.inputs[0]])
    runs = [list(infer([inputs[name][i].reshape(graph[name].shape) for name in graph.inputs])) for i in range(count)]
    return {
        name: np.stack([made[k] for made in runs]).reshape(count, *sample_shape(graph[name]))
        for k, name in enumerate(graph.outputs)
    }
