"""The one place that talks to TVM's lowering: scheduled TIR functions in, the text of plain C99 functions out.

TVM's own build ends in its packed calling convention, where every call passes boxed arguments through a runtime. Here the same
lowering passes run without that last step: buffer parameters become raw pointers, and what TVM's C printer makes of the result is
a function a microcontroller can call directly. Two things are added to TVM's passes:

* Buffers of storage scope :data:`SCRATCH_SCOPE` are lifted out of the function. The caller provides their memory as one ``void *``
  parameter called ``scratch``; buffers that are never alive together share it. All others stay on the stack and must be small.
* The C signature is written from what the function does: ``const`` where a parameter is only read, ``restrict`` where the function
  declares (attribute :data:`RESTRICT`, see :func:`annotate`) that nothing else points there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tvm

SCRATCH_SCOPE = "global.scratch"
"""Storage scope of a TIR buffer that lives in the caller's scratch memory."""
RESTRICT = "codegen.restrict"
PREFIX = "NN_"
"""Token in front of every symbol in the printed C; the project writer replaces it by the model's own prefix."""
_ALIGN = 4
_STACK_LIMIT = 256
NONE: Mapping[str, Any] = {}
_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4}


class BuildError(RuntimeError):
    """A TIR function that this pipeline cannot turn into freestanding C; a mistake in a kernel, not of the user."""


def _c_type(dtype: str) -> str:
    return "float" if dtype == "float32" else f"{dtype}_t"


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A pointer or a number of the printed function's signature."""

    name: str
    dtype: str
    written: bool
    restrict: bool
    pointer: bool = True

    def declaration(self) -> str:
        if not self.pointer:
            return f"{_c_type(self.dtype)} {self.name}"
        const = "" if self.written else "const "
        return f"{const}{_c_type(self.dtype)} *{'restrict ' if self.restrict else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A buffer inside scratch, ``offset`` bytes from its start."""

    name: str
    dtype: str
    offset: int

    def declaration(self) -> str:
        start = "scratch" if self.offset == 0 else f"(void *)((int8_t *)scratch + {self.offset})"
        return f"{_c_type(self.dtype)} *{self.name} = {start};"


@dataclass(frozen=True, slots=True)
class _Lowered:
    """A function whose buffers are raw pointers, with what its C signature says."""

    func: tvm.tirx.PrimFunc
    parameters: tuple[_Parameter, ...]
    parts: tuple[_Part, ...]
    scratch_bytes: int


def annotate(func: tvm.tirx.PrimFunc, restrict: Iterable[str]) -> tvm.tirx.PrimFunc:
    """``func`` with the names of the parameters that share no memory with another one (its constants)."""
    return func.with_attr(RESTRICT, sorted(restrict))


def build_c(prim_funcs: Mapping[str, tvm.tirx.PrimFunc], shared: Mapping[str, tvm.tirx.PrimFunc] = NONE) -> dict[str, str]:
    """C99 text of each function, keyed as given: ``void NN_<name>(const int8_t *x, ..., int8_t *y) {...}``.

    The ``shared`` functions come first, as ``NN_SHARED`` ones of the file (micro/linkage.h): the others call them.

    The text needs ``<stdint.h>`` and the micro-kernels it calls. It depends on the function only, not on which others share the
    build; equal functions give equal text.

    :raises BuildError: for a function that needs more than 256 bytes of stack buffers, or is left with a call into TVM's runtime.
    """
    if not prim_funcs:
        return {}
    import tvm

    every = {**shared, **prim_funcs}
    lowered = {name: _lower(PREFIX + name, every[name]) for name in sorted(every)}
    module = _late_passes()(tvm.IRModule({name: low.func for name, low in lowered.items()}))
    source = tvm.get_global_func("target.build.c")(module, tvm.target.Target({"kind": "c"})).inspect_source()
    texts = {name: _function_text(source, PREFIX + name, lowered[name]) for name in every}
    return {name: f"{PREFIX}SHARED {text}" if name in shared else text for name, text in texts.items()}


def scratch_bytes(func: tvm.tirx.PrimFunc) -> int:
    """Bytes behind the ``scratch`` parameter of the C of ``func``; 0 if it has none."""
    return _lower("f", func).scratch_bytes


def _early_passes() -> Any:
    """From scheduled blocks to flat loops over one-dimensional buffers."""
    import tvm
    from tvm import s_tir, tirx

    blocks, flat = s_tir.transform, tirx.transform
    return tvm.ir.transform.Sequential(
        [
            blocks.CanonicalizeLoop(),
            flat.LowerInitBlock() if hasattr(flat, "LowerInitBlock") else blocks.LowerInitBlock(),
            blocks.PlanAndUpdateBufferAllocationLocation(),
            blocks.ConvertBlocksToOpaque(),
            blocks.CompactBufferAllocation(),
            blocks.LowerMatchBuffer(),
            blocks.StmtSimplify(),
            blocks.LowerOpaqueBlock(),
            flat.FlattenBuffer(),
            flat.NarrowDataType(32),
        ]
    )


def _late_passes() -> Any:
    """From flat loops to what the C printer takes. No common subexpressions: the C compiler finds them, the reader would not."""
    import tvm
    from tvm import s_tir, tirx

    blocks, flat = s_tir.transform, tirx.transform
    return tvm.ir.transform.Sequential(
        [
            blocks.LoopPartition(),
            flat.VectorizeLoop(True),
            flat.StorageRewrite(),
            blocks.HoistIfThenElse(),
            flat.UnrollLoop(),
            blocks.RenormalizeSplitPattern(),
            flat.StmtSimplify(),
            flat.RemoveNoOp(),
            blocks.RewriteUnsafeSelect(),
            flat.LowerTVMBuiltin(),
            flat.LowerIntrin(),
        ]
    )


def _lower(symbol: str, func: tvm.tirx.PrimFunc) -> _Lowered:
    """Early passes, then buffer parameters and lifted scratch buffers become raw pointers."""
    import tvm
    from tvm import tirx

    written = {buffer.name for buffer in _written_buffers(func.body)}
    restrict = set((func.attrs or {}).get(RESTRICT, []))
    target = tvm.target.Target({"kind": "c"})
    attributed = func.with_attr("global_symbol", symbol).with_attr("target", target)
    flat = _early_passes()(tvm.IRModule({symbol: attributed}))[symbol]

    parameters: list[_Parameter] = []
    pointers, declarations = [], []

    def pointer_to(buffer: Any) -> None:
        pointer = tvm.ir.Var(buffer.name, tirx.buffer.buffer_data_pointer_type(buffer))
        pointers.append(pointer)
        declarations.append(tirx.DeclBuffer(buffer, data=pointer))

    for parameter in flat.params:
        name = parameter.name
        if isinstance(parameter.ty, tvm.ir.PrimType):
            parameters.append(_Parameter(name, str(parameter.ty), written=False, restrict=False, pointer=False))
            pointers.append(parameter)
            continue
        parameters.append(_Parameter(name, str(parameter.dtype), name in written, name in restrict))
        pointer_to(parameter)
    parts: list[_Part] = []
    scratch: dict[tuple[str, str, int], Any] = {}
    taken = {p.name for p in parameters} | {"scratch"}
    end = 0
    for buffer, offset in _scratch_layout(flat.body, 0):
        end = max(end, offset + _nbytes(buffer))
        key = (buffer.name, str(buffer.dtype), offset)
        if key not in scratch:
            name = next(n for n in _variants(buffer.name) if n not in taken)
            taken.add(name)
            parts.append(_Part(name, str(buffer.dtype), offset))
            scratch[key] = tvm.ir.Var(name, tirx.buffer.buffer_data_pointer_type(buffer))
            pointers.append(scratch[key])
        declarations.append(tirx.DeclBuffer(buffer, data=scratch[key]))
    body = tirx.SeqStmt([*declarations, _without_scratch(flat.body)])
    lifted = tirx.PrimFunc(pointers, body, ret_type=None, attrs=flat.attrs)
    return _Lowered(lifted.with_attr("tirx.noalias", False), tuple(parameters), tuple(parts), end)


def _variants(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in count(2))


def _children(stmt: Any) -> Iterator[Any]:
    for field in ("seq", "body", "then_case", "else_case", "block", "init"):
        child = getattr(stmt, field, None)
        if child is not None:
            yield from child if field == "seq" else (child,)


def _written_buffers(stmt: Any) -> Iterator[Any]:
    """Buffers that the blocks below ``stmt`` declare to write."""
    for region in getattr(stmt, "writes", ()):
        yield region.source
    for child in _children(stmt):
        yield from _written_buffers(child)


def _nbytes(buffer: Any) -> int:
    size = _BYTES[str(buffer.dtype)]
    for extent in buffer.shape:
        size *= int(extent)
    return size


def _is_scratch(stmt: Any) -> bool:
    from tvm import tirx

    if not isinstance(stmt, tirx.AllocBuffer):
        return False
    if stmt.buffer.scope() == SCRATCH_SCOPE:
        return True
    if _nbytes(stmt.buffer) > _STACK_LIMIT:
        raise BuildError(f"buffer {stmt.buffer.name!r} puts {_nbytes(stmt.buffer)} bytes on the stack, needs scope {SCRATCH_SCOPE}")
    return False


def _scratch_layout(stmt: Any, start: int) -> Iterator[tuple[Any, int]]:
    """Scratch buffers of ``stmt`` and their offsets from ``start`` on: buffers share memory unless one statement needs both."""
    from tvm import tirx

    members = list(stmt.seq) if isinstance(stmt, tirx.SeqStmt) else [stmt]
    buffers = [member.buffer for member in members if _is_scratch(member)]
    ends = [start] * len(members)
    for buffer in buffers:  # several may have one name
        needed_by = [i for i, m in enumerate(members) if not _is_scratch(m) and _uses(m, buffer)]
        lifetime = range(min(needed_by), max(needed_by) + 1) if needed_by else range(0)
        offset = max((ends[i] for i in lifetime), default=start)
        for i in lifetime:
            ends[i] = offset + -(-_nbytes(buffer) // _ALIGN) * _ALIGN
        yield buffer, offset
    for member, end in zip(members, ends, strict=True):
        for child in _children(member):
            yield from _scratch_layout(child, end)


def _uses(stmt: Any, buffer: Any) -> bool:
    from tvm.tirx.analysis import undefined_vars

    return any(variable.same_as(buffer) for variable in undefined_vars(stmt))


def _without_scratch(stmt: Any) -> Any:
    """``stmt`` less its allocations of scratch buffers."""
    from tvm import tirx

    match stmt:
        case tirx.SeqStmt():
            return tirx.SeqStmt([_without_scratch(s) for s in stmt.seq if not _is_scratch(s)])
        case tirx.For():
            body = _without_scratch(stmt.body)
            return tirx.For(stmt.loop_var, stmt.min, stmt.extent, stmt.kind, body, stmt.thread_binding, stmt.annotations)
        case tirx.IfThenElse():
            otherwise = None if stmt.else_case is None else _without_scratch(stmt.else_case)
            return tirx.IfThenElse(stmt.condition, _without_scratch(stmt.then_case), otherwise)
        case tirx.AttrStmt():
            return tirx.AttrStmt(stmt.node, stmt.attr_key, stmt.value, _without_scratch(stmt.body))
        case _:
            return stmt


def _function_text(source: str, symbol: str, lowered: _Lowered) -> str:
    """The function's part of TVM's printed module, under its own signature and with plainer expressions."""
    found = re.search(rf"^[^\n;]*\b{symbol}\([^;{{}}]*\) {{\n(.*?)^}}\n", source, re.MULTILINE | re.DOTALL)
    if found is None:
        raise BuildError(f"TVM printed no function {symbol}")
    body = found.group(1)
    if runtime := re.search(r"\bTVM\w+|__tvm\w+", body):
        raise BuildError(f"{symbol} still calls TVM's runtime: {runtime.group()}")
    names = [p.declaration() for p in lowered.parameters]
    if lowered.parts:
        names.insert(-1, "void *restrict scratch")
    lines = [f"void {symbol}({', '.join(names)}) {{"]
    lines += [f"  {part.declaration()}" for part in lowered.parts]
    # A window that only ever covers padding reads no input.
    lines += [f"  (void){p.name};" for p in lowered.parameters if not re.search(rf"\b{p.name}(_ptr)?\b", body)]
    lines += [_plainer(line) for line in body.splitlines() if line.strip() and line.strip() != ";"]
    return "\n".join([*lines, "}", ""])


def _plainer(line: str) -> str:
    """A line of TVM's C without the brackets it prints to be safe: ``(&(x[(i * 4)]))`` becomes ``&x[i * 4]``."""
    line = re.sub(r"\b(\w+)_ptr((_\d+)?)\b", r"\1\2", line)
    before = ""
    while line != before:
        before = line
        line = re.sub(r"\(&\((\w+\[[^][]*\])\)\)", r"&\1", line)
        # An operand or argument on its own, and a product inside a sum.
        line = re.sub(r"(?<=[\[(,]) ?\(([^()]*)\)(?=[\]),])", lambda m: (" " if m.group(0)[0] == " " else "") + m.group(1), line)
        line = re.sub(r"(?<=[\[(+]) ?\((\w+ \* \w+)\)(?= [+-])", lambda m: (" " if m.group(0)[0] == " " else "") + m.group(1), line)
        line = re.sub(r"(?<=[\[(])\(([\w\[\] +*]+)\)(?= [+-])", r"\1", line)
        line = re.sub(r"(?<= [+-] )\((\w+ \* \w+)\)", r"\1", line)
    return line
