"""Which layer the bytes of a built program belong to, read off its symbols and its instructions.

A function belongs to the layer whose function it is, or whose function alone calls it, directly or not; where layers have the same
function, to the first of them. What the functions of several layers call is *shared*. A constant belongs to the first layer that
reads it. The rest lies *around* the layers: the run function, accessors, tables and gaps that compiler and linker made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from codegen.elf import Elf, Symbol
from codegen.measurement import Flash
from codegen.project.model_source import constant_owner

_SHARED = -1


def layer_flash(program: Elf, name: str, functions: Sequence[str], features: int = 0) -> tuple[tuple[Flash, ...], Flash]:
    """Code and constants of each layer of model ``name``, and what they share.

    :param functions: the whole C symbol of each layer's function, in the order in which they run; layers may have one in common.
    :param features: so many of the first ones are none of the network's; constants that are no layer's belong to the first.
    """
    callees = _callees(program)
    owners: dict[str, set[int]] = {}
    for number, function in reversed(list(enumerate(functions))):
        owners[function] = {number}
    for function, first in [(function, number) for function, (number,) in owners.items()]:
        for reached in _reached(callees, function):
            owners.setdefault(reached, set()).add(first)
    sizes = Counter[tuple[int, str]]()

    def book(among: Collection[int], kind: str, size: int) -> None:
        if among:
            sizes[next(iter(among)) if len(among) == 1 else _SHARED, kind] += size

    for symbol in program.functions:
        book(owners.get(symbol.name, ()), "code", symbol.size)
    for constant in _constants(program):
        layer = constant_owner(constant.name, name)
        if layer is not None:
            book((layer + features,), "constants", constant.size)
        elif "." in constant.name:  # a static object of a function
            book(owners.get(constant.name.partition(".")[0], ()), "constants", constant.size)
        elif features and constant.name.startswith(f"{name}_"):
            book((0,), "constants", constant.size)
    parts = {number: Flash(sizes[number, "code"], sizes[number, "constants"]) for number in (_SHARED, *range(len(functions)))}
    return tuple(parts[number] for number in range(len(functions))), parts[_SHARED]


def _callees(program: Elf) -> Mapping[str, set[str]]:
    """The functions that each function calls or jumps to."""
    from codegen.thumb import decode_range

    starts = {symbol.address: symbol.name for symbol in program.functions}
    found: dict[str, set[str]] = {}
    for function, low, high in program.code_ranges():
        targets = (instruction.target for instruction in decode_range(low, program.read(low, high - low)))
        found.setdefault(function, set()).update(starts[target] for target in targets if target in starts)
    return found


def _reached(callees: Mapping[str, set[str]], function: str) -> set[str]:
    """All that ``function`` calls, directly or not."""
    seen = {function}
    todo = [function]
    while todo:
        fresh = callees.get(todo.pop(), set()) - seen
        seen |= fresh
        todo += fresh
    return seen - {function}


def _constants(program: Elf) -> list[Symbol]:
    """Named objects that are neither written to nor among code, one for each address."""
    writable = [(s.address, s.address + len(s.data)) for s in program.segments if s.writable]
    elsewhere = (*program.text, *writable)
    found = {
        symbol.address: symbol
        for symbol in program.symbols.values()
        if symbol.size and not symbol.is_function and not any(low <= symbol.address < high for low, high in elsewhere)
    }
    return list(found.values())
