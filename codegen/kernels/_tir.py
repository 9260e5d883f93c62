"""Small words for writing TIR with TVM's builder: named loops and buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def loops(**extents: Any) -> Iterator[tuple[Any, ...]]:
    """Nested serial loops from 0 to each extent (an int or an expression), outermost first; yields their variables."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    with T.grid(*extents.values()) as variables:
        found = tuple(variables) if len(extents) > 1 else (variables,)
        for name, variable in zip(extents, found, strict=True):
            IRBuilder.name(name, variable)
        yield found


def allocate(name: str, shape: tuple[int, ...], dtype: str, scope: str = "global") -> Any:
    """A buffer of the block that is being built."""
    from tvm.script.ir_builder import IRBuilder
    from tvm.tirx.script import builder as T

    buffer = T.sblock_alloc_buffer(shape, dtype, scope=scope)
    IRBuilder.name(name, buffer)
    return buffer


def unknown_extent(dtype: str) -> Any:
    """A buffer of which the function knows the beginning only: what layers of any size share has no sizes of its own."""
    from tvm.tirx.script import builder as T

    return T.buffer((1 << 24,), dtype)


def call(function: str, *arguments: Any) -> None:
    """A statement that calls a micro-kernel; Python integers are passed as int32."""
    from tvm.tirx.script import builder as T

    T.evaluate(T.call_extern("void", f"NN_{function}", *(T.int32(a) if isinstance(a, int) else a for a in arguments)))


def choose(conditions: Sequence[Any], then: Callable[[], None], otherwise: Callable[[], None]) -> None:
    """Build ``then`` where all conditions hold (without a branch if there are none) and ``otherwise`` elsewhere."""
    from tvm import tirx
    from tvm.tirx.script import builder as T

    if not conditions:
        then()
        return
    with T.If(conditions[0] if len(conditions) == 1 else tirx.all(*conditions)):
        with T.Then():
            then()
        with T.Else():
            otherwise()
