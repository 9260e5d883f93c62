"""Kernels on weights of four bits: those on eight, after a call that unpacks the layer's weights into scratch.

The loops are the same, so are their cycles; what they read lies in RAM instead of flash. RAM for the weights of one layer at a time
is the price, little where wide layers work on small maps. Matrix products of a single row read each weight once, so their filters
are computed in *parts*, one after the other, which need no more than :data:`PART_BYTES`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codegen import kernels
from codegen.int4.weights import WORD, packed
from codegen.ir import Graph, Op, Weighted
from codegen.kernels._base import Constant, Kernel
from codegen.kernels._patch import PatchSpec
from codegen.kernels._requantize import PARAMETERS
from codegen.kernels._winograd import WinogradSpec
from codegen.kernels.fully_connected import RowSpec

if TYPE_CHECKING:
    import tvm

    from codegen.cores import Core
    from codegen.optimize import Optimize

PART_BYTES = 2048
"""Unpacked weights that a part of a product of a single row has at most, where its number of filters allows it."""
_ALIGN = 4
_BLOCK = 4
"""Filters that kernels take at a time: parts are whole blocks."""
_SIGN = 0x80
"""What tells a signed byte from one that is raised by 128."""


@dataclass(frozen=True, slots=True)
class Int4Spec:
    """``eight`` is the spec of the kernel on eight bits for one of the ``parts``, whose weights take ``words`` of 32 bits."""

    eight: Any
    words: int
    parts: int = 1

    @property
    def whole(self) -> Any:
        """The spec of the kernel on eight bits for all filters."""
        return replace(self.eight, filters=self.eight.filters * self.parts)


@dataclass(frozen=True)
class Int4Kernel(Kernel[Int4Spec]):
    """``eight``, a kernel on weights of eight bits, which are unpacked before. Its name, its trip counts and the choice between its
    schedules stay."""

    eight: Kernel[Any]

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the kernel on eight bits."""
        return self.eight.name

    @property
    def micro_kernels(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the kernel on eight bits."""
        return self.eight.micro_kernels

    def specialize(self, op: Op, graph: Graph, core: Core, optimize: Optimize) -> Int4Spec | None:
        """None where the kernel has no form for four bits."""
        spec: Any = self.eight.specialize(op, graph, core, optimize)
        if _weights(spec) is None:
            return None
        parts = _parts(spec)
        part = spec if parts == 1 else replace(spec, filters=spec.filters // parts)
        return Int4Spec(part, -(-weight_bytes(part) // WORD), parts)

    def schedules(self, spec: Int4Spec, core: Core) -> tuple[Int4Spec, ...]:
        return tuple(replace(spec, eight=eight) for eight in self.eight.schedules(spec.eight, core))

    def constant_bytes(self, spec: Int4Spec) -> int:
        return spec.parts * (self.eight.constant_bytes(spec.eight) - weight_bytes(spec.eight) + 4 * spec.words)

    def pack(self, op: Op, graph: Graph, spec: Int4Spec) -> tuple[Constant, ...]:
        weights, *others = self.eight.pack(op, graph, spec.whole)
        data = weights.data if weights.data.dtype == np.int8 else (weights.data ^ np.uint8(_SIGN)).view(np.int8)
        return (Constant("packed", packed(data)), *others)

    def scratch_bytes(self, spec: Int4Spec) -> int:
        return self.weights_at(spec) + WORD * spec.words

    def weights_at(self, spec: Int4Spec) -> int:
        """Where in scratch the unpacked weights begin, in bytes."""
        return -(-self.eight.scratch_bytes(spec.eight) // _ALIGN) * _ALIGN

    def overlap(self, spec: Int4Spec) -> tuple[int | None, ...]:
        return self.eight.overlap(spec.whole)

    def work(self, spec: Int4Spec) -> Mapping[str, int]:
        """Those of one part."""
        return self.eight.work(spec.eight)

    def prim_func(self, spec: Int4Spec) -> tvm.tirx.PrimFunc:
        """That of the kernel on eight bits: :func:`unpacking` makes of its C what takes four."""
        return self.eight.prim_func(spec.eight)

    def shared_functions(self, spec: Int4Spec) -> Mapping[str, Callable[[], tvm.tirx.PrimFunc]]:
        return self.eight.shared_functions(spec.eight)


def select(op: Op, graph: Graph, core: Core, optimize: Optimize) -> tuple[Kernel[Any], Hashable]:
    """:func:`codegen.kernels.select`, with the weights of ``op`` unpacked where they have four bits.

    A kernel without a form for that takes them as bytes.
    """
    kernel, spec = kernels.select(op, graph, core, optimize)
    if isinstance(op, Weighted) and graph[op.weight].dtype == "int4":
        on_int4 = Int4Kernel(kernel)
        int4_spec = on_int4.specialize(op, graph, core, optimize)
        if int4_spec is not None:
            return on_int4, int4_spec
    return kernel, spec


@cache
def int4_hash() -> str:
    """SHA-256, as text, of all that packs weights and makes the C that unpacks them: the kernels' own hash leaves it out."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def parts_of(op: Op, graph: Graph, core: Core, optimize: Optimize) -> int:
    """In how many parts an operator is computed."""
    _, spec = select(op, graph, core, optimize)
    return spec.parts if isinstance(spec, Int4Spec) else 1


def _weights(spec: object) -> int | None:
    """How many weights a kernel with this spec reads, those that fill up words included; None where it takes no others."""
    match spec:
        case PatchSpec():
            return spec.filters * spec.window.packed_depth
        case RowSpec():
            return spec.filters * spec.packed_depth
        case WinogradSpec():
            return spec.filters * spec.depth
        case _:
            return None


def _parts(spec: Any) -> int:
    """In how many parts the filters are computed: as few as keep to :data:`PART_BYTES`, or come nearest to it."""
    single = isinstance(spec, RowSpec) or (isinstance(spec, WinogradSpec) and spec.direct)
    blocks = spec.filters // _BLOCK if single and spec.filters % _BLOCK == 0 else 1
    possible = [parts for parts in range(1, blocks + 1) if blocks % parts == 0]
    return next((parts for parts in possible if weight_bytes(spec) <= parts * PART_BYTES), possible[-1])


def weight_bytes(spec: Any) -> int:
    """Bytes of weights that a kernel on eight bits with this spec reads."""
    count = _weights(spec)
    assert count is not None, "made for such specs only"
    return count


UNPACK = "unpack_int4"
"""The shared function that unpacks weights."""


def unpack_source(*, unsigned: bool) -> str:
    """C of :data:`UNPACK`, as ``codegen.tvm_build.build_c`` would print it; ``unsigned``: weights are to be raised by 128.

    Four bytes at a time: with its sign bit set no byte borrows from the next one.
    """
    sign = "" if unsigned else " ^ 0x80808080u"
    return (
        f"NN_SHARED void NN_{UNPACK}(const uint32_t *restrict packed, int32_t words, void *restrict weights) {{\n"
        "  uint32_t *bytes = weights;\n"
        "  for (int32_t word = 0; word < words; ++word) {\n"
        "    const uint32_t first = packed[word] & 0x0f0f0f0fu;\n"
        "    const uint32_t second = (packed[word] >> 4) & 0x0f0f0f0fu;\n"
        f"    bytes[2 * word] = ((first | 0x80808080u) - 0x08080808u){sign};\n"
        f"    bytes[2 * word + 1] = ((second | 0x80808080u) - 0x08080808u){sign};\n"
        "  }\n"
        "}\n"
    )


_SIGNATURE = re.compile(r"const (u?int8_t) \*restrict weights(, .*?)(?:, void \*restrict scratch)?, (int8_t \*\w+)\) \{\n")
_PARAMETER = re.compile(r"((?:const )?\w+) \*(?:restrict )?(\w+)")


def unpacking(kernel: Int4Kernel, spec: Int4Spec, text: str) -> tuple[str, str]:
    """C of a layer on packed weights, from its ``text`` for a part on weights of eight bits, and the text of :data:`UNPACK` that
    it calls.

    :raises RuntimeError: for a function of another form; a mistake in a kernel, not of the user.
    """
    found = _SIGNATURE.search(text)
    if found is None or "\n" in text[: found.start()]:
        raise RuntimeError(f"kernel {kernel.name}: its function takes no weights that could be unpacked")
    bytes_, others, output = found.groups()
    at, body = kernel.weights_at(spec), text[found.end() :]
    place = "scratch" if at == 0 else f"(void *)((int8_t *)scratch + {at})"
    weights = f"  {bytes_} *weights = {place};\n"
    if spec.parts == 1:
        body = f"{weights}  NN_{UNPACK}(packed, {spec.words}, weights);\n{body}"
    else:
        body = weights + _repeated(spec, f"{others}, {output}", body)
        others, output = (re.sub(r"(\*(?:restrict )?\w+)", r"\1_all", each) for each in (others, output))
    signature = f"const uint32_t *restrict packed{others}, void *restrict scratch, {output}) {{\n"
    return text[: found.start()] + signature + body, unpack_source(unsigned=bytes_ == "uint8_t")


def _repeated(spec: Int4Spec, pointers: str, body: str) -> str:
    """The body of a part's function for all parts: each has its share of what ``pointers``, parameters of C, point to."""
    lines = [f"  for (int32_t part = 0; part < {spec.parts}; ++part) {{"]
    for kind, name in _PARAMETER.findall(pointers):
        share = spec.eight.filters * (PARAMETERS if name == "parameters" else 1)
        lines.append(f"    {kind} *{name} = &{name}_all[part * {share}];")
    lines.append(f"    NN_{UNPACK}(&packed[part * {spec.words}], {spec.words}, weights);")
    *inner, _ = body.splitlines()
    return "\n".join([*lines, *(f"  {line}" for line in inner), "  }", "}", ""])
