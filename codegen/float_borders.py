"""Networks with float32 inputs or outputs, cut down to what is computed in int8."""

from __future__ import annotations

from codegen.ir import Dequantize, Graph, Quantize


def int8_core(graph: Graph) -> Graph:
    """``graph`` without a Quantize that alone reads a float32 input and a Dequantize that writes an output: their int8 sides become
    the graph's input and output. The generated project converts at these borders. The same object where there is none."""
    first: dict[str, Quantize] = {}
    for op in graph.ops:
        if isinstance(op, Quantize) and op.inputs[0] in graph.inputs and graph[op.inputs[0]].dtype == "float32":
            first[op.inputs[0]] = op
    readers = [name for op in graph.ops for name in op.inputs]
    first = {name: op for name, op in first.items() if readers.count(name) == 1 and name not in graph.outputs}
    inputs = tuple(first[name].output if name in first else name for name in graph.inputs)
    last = {op.output: op for op in graph.ops if isinstance(op, Dequantize) and op.output in graph.outputs}
    last = {name: op for name, op in last.items() if name not in readers and not graph[op.inputs[0]].constant}
    outputs = tuple(last[name].inputs[0] if name in last else name for name in graph.outputs)
    if len(set(outputs)) < len(outputs):
        last, outputs = {}, graph.outputs
    gone = {op.name for op in (*first.values(), *last.values())}
    if not gone:
        return graph
    tensors = {name: t for name, t in graph.tensors.items() if name not in first and name not in last}
    ops = tuple(op for op in graph.ops if op.name not in gone)
    return Graph(graph.name, tensors, ops, inputs, outputs).validate()
