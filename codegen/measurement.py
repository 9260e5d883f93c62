"""What is measured of a built project, and how it is written down.

Sizes are bytes, counts are per inference. The keys of :meth:`Verification.to_json` are a contract that scripts rely on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codegen.cores import find_core


@dataclass(frozen=True, slots=True)
class Ram:
    """RAM of the built model code. ``io`` (inputs and outputs) and ``scratch`` are parts of ``arena``; ``state`` is what the caller
    keeps for the features between calls, where the program makes its input of sound."""

    arena: int
    io: int
    scratch: int
    stack: int
    static: int
    state: int = 0

    @property
    def total(self) -> int:
        """What a RAM limit is compared with: arena, stack, static variables and state."""
        return self.arena + self.stack + self.static + self.state

    def to_json(self) -> dict[str, int]:
        """The figures under the contract's names."""
        return {
            "arena": self.arena,
            "io": self.io,
            "scratch": self.scratch,
            "stack": self.stack,
            "static": self.static,
            **({"state": self.state} if self.state else {}),
            "total": self.total,
        }


@dataclass(frozen=True, slots=True)
class Flash:
    """Flash of the built model code, with every support routine that the compiler linked for it."""

    code: int
    constants: int

    @property
    def total(self) -> int:
        """What a flash limit is compared with."""
        return self.code + self.constants

    def to_json(self) -> dict[str, int]:
        """The figures under the contract's names."""
        return {"code": self.code, "constants": self.constants, "total": self.total}

    @staticmethod
    def from_json(content: Mapping[str, int]) -> Flash:
        """What :meth:`to_json` gave."""
        return Flash(content["code"], content["constants"])


@dataclass(frozen=True, slots=True)
class LayerMeasurement:
    """One layer's share of an inference; ``op`` is the operator's kind, for example ``Conv2D``, ``part_of`` the operator of which
    it computes a strip of rows, if it does. ``flash`` is what the program holds for it (:mod:`codegen.layer_flash`), None where a
    report does not tell."""

    name: str
    op: str
    macs: int
    instructions: float
    cycles: float
    part_of: str | None = None
    flash: Flash | None = None

    def to_json(self) -> dict[str, Any]:
        """The figures under the contract's names."""
        return {
            "name": self.name,
            "op": self.op,
            "macs": self.macs,
            "instructions": _number(self.instructions),
            "cycles": _number(self.cycles),
            **({} if self.flash is None else {"flash": self.flash.to_json()}),
            **({} if self.part_of is None else {"part_of": self.part_of}),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> LayerMeasurement:
        """What :meth:`to_json` gave.

        :raises KeyError: or TypeError, where the content is of another kind.
        """
        return LayerMeasurement(**{**content, "flash": Flash.from_json(content["flash"]) if "flash" in content else None})


@dataclass(frozen=True, slots=True)
class AnomalyMeasurement:
    """Of the score of a reconstruction: ``flash`` in bytes, counts per inference; ``scores`` for each input."""

    flash: int
    instructions: float
    cycles: float
    scores: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """The figures."""
        return {"flash": self.flash, "instructions": _number(self.instructions), "cycles": _number(self.cycles)}


@dataclass(frozen=True, slots=True)
class Verification:
    """Outcome of building and running a project: of features and network, where it has a front end and was run on raw numbers.

    ``mismatches`` counts the inputs whose outputs are not equal to what is expected, in every byte, wherever the arena lies.
    ``instructions`` and ``cycles`` are means over the inputs. ``board`` and ``latency_ms`` are None where the project was measured
    for another core than its board has. ``support_routines`` names what the compiler linked beside the model's own functions.
    Of ``flash``, ``shared`` is what several layers run; what neither they share nor a layer has for itself is ``around``
    (:mod:`codegen.layer_flash`); both are None where it is not known.
    ``network`` is what was measured of the network alone, on some of the inputs; ``outputs`` are the bytes of every output, for
    each input. ``anomaly`` is of the score of a reconstruction, which the other figures leave out.
    """

    mismatches: int
    inputs: int
    instructions: float
    cycles: float
    latency_ms: float | None
    ram: Ram
    flash: Flash
    macs: int
    layers: tuple[LayerMeasurement, ...] = field(repr=False)
    core: str
    board: str | None
    compiler: str
    support_routines: tuple[str, ...] = field(default=(), repr=False)
    network: Verification | None = field(default=None, repr=False)
    outputs: tuple[tuple[bytes, ...], ...] = field(default=(), repr=False)
    anomaly: AnomalyMeasurement | None = field(default=None, repr=False)
    shared: Flash | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return render(self)

    @property
    def bit_exact(self) -> bool:
        """Whether every output equals the expected one to the bit."""
        return self.mismatches == 0

    @property
    def around(self) -> Flash | None:
        """What of ``flash`` is no layer's and not ``shared``: the run function, accessors, gaps."""
        if self.shared is None:
            return None
        known = _sum([self.shared, *(layer.flash for layer in self.layers if layer.flash is not None)])
        return Flash(self.flash.code - known.code, self.flash.constants - known.constants)

    def to_json(self) -> dict[str, Any]:
        """The object that ``nas verify --json`` prints and ``report.json`` keeps as ``built``."""
        parts = {"shared": self.shared, "around": self.around}
        return {
            "bit_exact": self.bit_exact,
            "mismatches": self.mismatches,
            "inputs": self.inputs,
            "instructions": _number(self.instructions),
            "cycles": _number(self.cycles),
            "latency_ms": None if self.latency_ms is None else round(self.latency_ms, 6),
            "ram": self.ram.to_json(),
            "flash": self.flash.to_json() | {key: part.to_json() for key, part in parts.items() if part is not None},
            "macs": self.macs,
            "layers": [layer.to_json() for layer in self.layers],
            "core": self.core,
            "board": self.board,
            "compiler": self.compiler,
            **({} if self.network is None else {"network": self.network.figures()}),
            **({} if self.anomaly is None else {"anomaly": self.anomaly.to_json()}),
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Verification:
        """What :meth:`to_json` gave; outputs, support routines and the scores of anomalies are not in it.

        :raises KeyError: or TypeError, where the content is of another kind.
        """
        network, anomaly = content.get("network"), content.get("anomaly")
        sizes = {key: value for key, value in content["ram"].items() if key != "total"}
        return Verification(
            **{key: content[key] for key in ("mismatches", "inputs", "instructions", "cycles", "latency_ms", "macs")},
            ram=Ram(**sizes),
            flash=Flash.from_json(content["flash"]),
            shared=Flash.from_json(content["flash"]["shared"]) if "shared" in content["flash"] else None,
            layers=tuple(LayerMeasurement.from_json(layer) for layer in content["layers"]),
            **{key: content[key] for key in ("core", "board", "compiler")},
            network=None
            if network is None
            else Verification.from_json({**content, "network": None, "anomaly": None, "layers": (), **network}),
            anomaly=None if anomaly is None else AnomalyMeasurement(**anomaly, scores=()),
        )

    def figures(self) -> dict[str, Any]:
        """What is stated of a network alone, beside that of features and network."""
        keys = ("instructions", "cycles", "latency_ms", "ram", "flash", "macs")
        content = replace(self, shared=None).to_json()
        return {key: content[key] for key in keys}


def _number(mean: float) -> int | float:
    """A mean as JSON shows it: without a fraction where it is whole, else to the hundredth."""
    return int(mean) if float(mean).is_integer() else round(mean, 2)


def render(result: Verification) -> str:
    """The measurement as lines of text for a person, without a trailing newline."""
    verdict = "bit-exact" if result.bit_exact else "NOT bit-exact"
    differ = "all equal" if result.bit_exact else f"{result.mismatches} differ"
    per_mac = f"   ({result.cycles / result.macs:.2f} per MAC)" if result.macs else ""
    note = find_core(result.core).timing_note
    lines = [
        f"{verdict}: {result.inputs} inputs, {differ}",
        "",
        f"core          {result.core}" + (f" on {result.board}" if result.board else ""),
        f"compiler      {result.compiler}",
        f"instructions  {result.instructions:,.0f} per inference",
        f"cycles        {result.cycles:,.0f} per inference{per_mac}" + (f"   ({note})" if note else ""),
    ]
    if result.latency_ms is not None:
        lines.append(f"latency       {result.latency_ms:.3f} ms (estimate for the board)")
    ram, flash = result.ram, result.flash
    state = f" + state {ram.state:,}" if ram.state else ""
    lines += [
        f"RAM           {ram.total:,} bytes = arena {ram.arena:,} + stack {ram.stack:,} + static {ram.static:,}{state}"
        f"   (of the arena: input and output {ram.io:,}, scratch {ram.scratch:,})",
        f"flash         {flash.total:,} bytes = code {flash.code:,} + constants {flash.constants:,}",
        f"MACs          {result.macs:,}",
        "",
    ]
    if result.network is not None:
        alone = result.network
        lines[-1:] = [
            f"network alone RAM {alone.ram.total:,} bytes, flash {alone.flash.total:,} bytes, {alone.cycles:,.0f} cycles",
            "",
        ]
    if result.anomaly is not None:
        score = result.anomaly
        lines[-1:] = [f"anomaly score {score.cycles:,.0f} cycles, flash {score.flash:,} bytes, beside the above", ""]
    return "\n".join([*lines, *_layer_table(result)])


def _whole(layers: Sequence[LayerMeasurement]) -> list[LayerMeasurement]:
    """``layers`` with the strips of an operator taken together, where the first of them is."""
    found: dict[str, list[LayerMeasurement]] = {}
    for layer in layers:
        found.setdefault(layer.part_of or layer.name, []).append(layer)
    return [
        parts[0]
        if parts[0].part_of is None
        else LayerMeasurement(
            f"{name} ({len(parts)} strips)",
            parts[0].op,
            sum(part.macs for part in parts),
            sum(part.instructions for part in parts),
            sum(part.cycles for part in parts),
            flash=_sum([part.flash for part in parts if part.flash is not None]) if parts[0].flash is not None else None,
        )
        for name, parts in found.items()
    ]


def _sum(parts: Sequence[Flash]) -> Flash:
    return Flash(sum(part.code for part in parts), sum(part.constants for part in parts))


def _layer_table(result: Verification) -> list[str]:
    instructions = result.instructions - sum(layer.instructions for layer in result.layers)
    cycles = result.cycles - sum(layer.cycles for layer in result.layers)
    layers = [*_whole(result.layers), LayerMeasurement("between the layers", "", 0, instructions, cycles, flash=result.around)]
    head: tuple[str, ...] = ("layer", "operator", "MACs", "instructions", "cycles", "cycles/MAC")
    rows: list[tuple[str, ...]] = [
        (
            layer.name,
            layer.op,
            f"{layer.macs:,}",
            f"{layer.instructions:,.0f}",
            f"{layer.cycles:,.0f}",
            f"{layer.cycles / layer.macs:.2f}" if layer.macs else "-",
        )
        for layer in layers
    ]
    if result.shared is not None:
        head = (*head, "code", "constants")
        rows = [(*row, *_flash_cells(layer.flash)) for row, layer in zip(rows, layers, strict=True)]
        rows.append(("shared by layers", "", "", "", "", "", *_flash_cells(result.shared)))
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return [
        "  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in (head, *rows)
    ]


def _flash_cells(flash: Flash | None) -> tuple[str, str]:
    return ("", "") if flash is None else (f"{flash.code:,}", f"{flash.constants:,}")
