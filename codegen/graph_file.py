"""Graphs on disk: one ``.safetensors`` file with the constants as tensors and everything else as JSON in its metadata."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import operators
from codegen.errors import UserError
from codegen.ir import ITEMSIZE, Graph, GraphError, Op, Quantization, Tensor

FORMAT = "mcu-nas int8 graph"
VERSION = 1


def save(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write ``graph`` to ``path`` atomically; equal graphs give equal bytes.

    :raises UserError: if the file cannot be written.
    """
    from safetensors.numpy import save as serialize

    target = Path(path)
    content = serialize(_constants(graph), metadata={"graph": _dumps(_to_json(graph))})
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"{target}: cannot write the graph: {error.strerror}") from error


def load(path: str | os.PathLike[str]) -> Graph:
    """Read a graph that :func:`save` wrote.

    :raises UserError: if the file is missing, damaged, of another kind or written by a newer version.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            description = (file.metadata() or {}).get("graph")
            names = file.keys() if description is not None else ()
            constants = {name: file.get_tensor(name) for name in names}
    except OSError as error:
        raise UserError(f"{path}: cannot read the graph: {error.strerror or error}") from error
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: not a graph file, or damaged: {error}") from error
    try:
        content = json.loads(description or "null")
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: damaged graph file: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: not a graph file")
    if content.get("version") != VERSION:
        raise UserError(f"{path}: graph file of version {content.get('version')}, this program reads version {VERSION}; update it")
    try:
        return _from_json(content, constants).validate()
    except (GraphError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: damaged graph file: {error}") from error


def content_hash(graph: Graph) -> str:
    """SHA-256 (hex) of all that a graph computes: operators, tensors, quantization, constants. The graph's name is left out."""
    description = _to_json(graph)
    del description["name"]
    digest = hashlib.sha256(_dumps(description).encode())
    for name, data in sorted(_constants(graph).items()):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def _constants(graph: Graph) -> dict[str, NDArray[Any]]:
    return {t.name: np.ascontiguousarray(t.data).reshape(t.shape) for t in graph.tensors.values() if t.data is not None}


def _dumps(content: Mapping[str, Any]) -> str:
    def plain(scalar: Any) -> Any:
        return scalar.item()  # a numpy number

    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, default=plain)


def _to_json(graph: Graph) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "tensors": [
            {
                "name": t.name,
                "shape": list(t.shape),
                "dtype": t.dtype,
                "constant": t.constant,
                "quantization": None if t.quantization is None else dataclasses.asdict(t.quantization),
            }
            for t in graph.tensors.values()
        ],
        "operators": [{"kind": op.kind, **dataclasses.asdict(op)} for op in graph.ops],
    }


def _from_json(content: Mapping[str, Any], constants: Mapping[str, NDArray[Any]]) -> Graph:
    tensors = {}
    for entry in content["tensors"]:
        fields = dict(entry)
        quantization = fields.pop("quantization")
        if quantization is not None:
            quantization = _decode_fields(Quantization, quantization)
        if fields["dtype"] not in ITEMSIZE:
            raise GraphError(f"tensor of unknown dtype {fields['dtype']!r}")
        name = _decode(str, fields["name"])
        if name in tensors:
            raise GraphError(f"tensor {name!r} is there twice")
        tensors[name] = Tensor(
            name=name,
            shape=_decode(tuple[int, ...], fields["shape"]),
            dtype=fields["dtype"],
            quantization=quantization,
            data=constants.get(name),
            constant=_decode(bool, fields["constant"]),
        )
    if unknown := set(constants) - set(tensors):
        raise GraphError(f"data of unknown tensors {sorted(unknown)[:3]}")
    names = tuple[str, ...]
    return Graph(
        name=_decode(str, content["name"]),
        tensors=tensors,
        ops=tuple(_operator(entry) for entry in content["operators"]),
        inputs=_decode(names, content["inputs"]),
        outputs=_decode(names, content["outputs"]),
    )


def _operator(entry: Mapping[str, Any]) -> Op:
    fields = dict(entry)
    kind = fields.pop("kind")
    found = getattr(operators, kind, None) if isinstance(kind, str) else None
    if not isinstance(found, type) or not issubclass(found, Op):
        raise GraphError(f"unknown operator {kind!r}")
    return typing.cast(Op, _decode_fields(found, fields))


def _decode_fields(cls: type[Any], fields: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(cls)
    if set(fields) != {f.name for f in dataclasses.fields(cls)}:
        raise GraphError(f"{cls.__name__} with the fields {sorted(fields)}")
    return cls(**{name: _decode(hints[name], value) for name, value in fields.items()})


def _decode(hint: Any, value: Any) -> Any:
    """JSON value as the type that a dataclass field declares; TypeError if it is none."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _decode(arguments[0], value)
    if origin is tuple and isinstance(value, list):
        if arguments[-1] is Ellipsis:
            return tuple(_decode(arguments[0], v) for v in value)
        return tuple(_decode(a, v) for a, v in zip(arguments, value, strict=True))
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, dict):
        return _decode_fields(hint, value)
    if hint is float and type(value) in (int, float):
        return float(value)
    if type(value) is hint:
        return value
    raise TypeError(f"expected {getattr(hint, '__name__', hint)}, found {value!r}"[:200])
