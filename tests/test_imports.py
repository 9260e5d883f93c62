"""Which package may need which: imports inside functions and those for types alone count like all others."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import codegen

ROOT = Path(codegen.__file__).parents[1]
PACKAGES = ("codegen", "cost_models", "search_spaces", "nas")
MAY_IMPORT = {"codegen": (), "cost_models": ("codegen",), "search_spaces": ("codegen",), "nas": PACKAGES}


def imports(package: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Pairs of a module of ``package`` and one of :data:`PACKAGES` that it imports."""
    for path in sorted((ROOT / package).rglob("*.py")):
        own = path.relative_to(ROOT).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path} imports from {'.' * node.level}; absolute names are the rule"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = tuple(name.split("."))
                if parts[0] in PACKAGES:
                    yield own, parts


def test_arrows_between_packages_point_one_way() -> None:
    for package, others in MAY_IMPORT.items():
        met = {imported[0]: ".".join(module) for module, imported in imports(package)}
        assert set(met) <= {package, *others}, met


def test_the_parts_of_codegen_form_no_circle() -> None:
    needed = defaultdict(set)
    for module, imported in imports("codegen"):
        if module[1] != imported[1]:
            needed[module[1]].add(imported[1])
    order = list(TopologicalSorter(needed).static_order())  # a CycleError names the circle
    assert order.index("rendering") < order.index("features") < order.index("project") < order.index("stream_emulation")


def test_the_parts_of_nas_form_no_circle() -> None:
    needed = defaultdict(set)
    for module, imported in imports("nas"):
        if imported[0] == "nas" and len(imported) > 1 and module[1] != imported[1]:
            needed[module[1]].add(imported[1])
    order = list(TopologicalSorter(needed).static_order())
    folders = ("metrics", "datasets", "learning", "inputs", "streaming", "study", "programs", "api", "cli")
    assert sorted(folders, key=order.index) == list(folders)


def test_the_modules_of_streams_form_no_circle() -> None:
    needed = defaultdict(set)
    for module, imported in imports("nas"):
        if module[:2] == imported[:2] == ("nas", "streaming") and module[2] not in ("__init__", imported[2]):
            needed[module[2]].add(imported[2])
    order = list(TopologicalSorter(needed).static_order())
    assert order.index("operation") < order.index("alarms") < order.index("listening")
