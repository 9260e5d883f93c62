"""What a campaign has exercised, counted, and what it has not."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codegen.fuzzing.sketch import BORDERS
from codegen.int4 import UNPACK
from codegen.kernels import KERNELS
from codegen.passes import PASSES
from codegen.reference import REFERENCE

if TYPE_CHECKING:
    from codegen.compile import CompiledModel, Layout, Selection
    from codegen.fuzzing.graphs import Sample

_SCHEDULES = ("tile", "block", "unroll")
"""Fields of a spec, or of a dataclass in it, whose numbers tell variants apart."""


class Coverage:
    """Counts by table: operators, kernels, variants of kernels, passes that changed something, border cases, refusals."""

    def __init__(self) -> None:
        self.operators: Counter[str] = Counter()
        self.kernels: Counter[str] = Counter()
        self.variants: Counter[str] = Counter()
        self.passes: Counter[str] = Counter()
        self.borders: Counter[str] = Counter()
        self.builds: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def add_sample(self, sample: Sample) -> None:
        """Count a graph that was compiled."""
        self.operators.update(op.kind for op in sample.graph.ops)
        self.borders.update(sample.borders)
        graph = sample.graph
        for rewrite in PASSES:
            rewritten = rewrite.run(graph)
            self.passes[rewrite.name] += rewritten is not graph
            graph = rewritten

    def add_model(self, model: CompiledModel) -> None:
        """Count what a graph was compiled to."""
        self.builds[f"{model.core.name} --optimize {model.optimize}"] += 1
        layout = model.layout
        computed = {selection.op.name for selection in layout.selections}
        self.variants.update(f"memory: {op.kind} takes no code" for op in layout.graph.ops if op.name not in computed)
        self.variants[f"memory: some operator in strips={bool(layout.origins)}"] += 1
        self.variants[f"weights: some of four bits={UNPACK in model.shared_functions}"] += 1
        for selection in layout.selections:
            self.kernels[selection.kernel.name] += 1
            self.variants.update(f"{selection.kernel.name}: {trait}" for trait in _traits(selection, layout))

    def tables(self) -> dict[str, dict[str, int]]:
        """Every table with its zero rows, sorted by row."""
        return {
            "operators": _with_zeros(self.operators, [cls.__name__ for cls in REFERENCE]),
            "kernels": _with_zeros(self.kernels, [kernel.name for kernel in KERNELS]),
            "variants": _with_zeros(self.variants, _other_halves(self.variants)),
            "passes": _with_zeros(self.passes, [rewrite.name for rewrite in PASSES]),
            "borders": _with_zeros(self.borders, BORDERS),
            "builds": _with_zeros(self.builds, ()),
            "refusals": _with_zeros(self.refusals, ()),
        }

    def text(self) -> str:
        """The tables and the list of rows with no count, for people."""
        lines, missing = [], []
        for title, rows in self.tables().items():
            if rows:
                lines += [f"{title}:", *(f"  {count:7d}  {row}" for row, count in rows.items() if count)]
            missing += [f"  {title}: {row}" for row, count in rows.items() if not count]
        return "\n".join([*lines, "never exercised:", *(missing or ["  nothing"])])


def _with_zeros(counts: Mapping[str, int], rows: Sequence[str]) -> dict[str, int]:
    return {row: counts.get(row, 0) for row in sorted({*counts, *rows})}


def _other_halves(counts: Mapping[str, int]) -> list[str]:
    """For each variant that is a yes or a no, the other one."""
    opposite = {"True": "False", "False": "True"}
    found = []
    for row in counts:
        trait, _, value = row.rpartition("=")
        if value in opposite:
            found.append(f"{trait}={opposite[value]}")
    return found


def _traits(selection: Selection, layout: Layout) -> Iterator[str]:
    yield from sorted(set(_spec_traits(selection.spec)))
    overlap = selection.kernel.overlap(selection.spec)
    if any(lead is not None for lead in overlap):
        yield f"output over an input={_runs_over_input(selection, layout)}"


def _runs_over_input(selection: Selection, layout: Layout) -> bool:
    graph, offsets = layout.graph, layout.plan.offsets
    low = offsets[selection.op.output]
    high = low + graph[selection.op.output].nbytes
    inputs = [name for name in selection.op.inputs if not graph[name].constant]
    return any(offsets[name] < high and low < offsets[name] + graph[name].nbytes for name in inputs)


def _spec_traits(spec: Any, path: str = "") -> Iterator[str]:
    """Booleans, words and schedule numbers of a spec, of its properties and of the dataclasses it holds."""
    names = [field.name for field in dataclasses.fields(spec)]
    names += [name for name, value in vars(type(spec)).items() if isinstance(value, property)]
    for name in names:
        value = getattr(spec, name)
        if isinstance(value, bool | str):
            yield f"{path}{name}={value}"
        elif isinstance(value, int) and (name in _SCHEDULES or path.rstrip(".") in _SCHEDULES):
            yield f"{path}{name}={min(value, 8)}{'+' if value > 8 else ''}"
        else:
            for item in value if isinstance(value, tuple) else (value,):
                if dataclasses.is_dataclass(item) and not isinstance(item, type):
                    yield from _spec_traits(item, f"{name}.")
