"""The fuzzer on the compiler as it is, and its report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from codegen.compile import compile_graph
from codegen.cores import find_core
from codegen.fuzzing.campaign import EVERY_TIME, run_campaign, save_failure
from codegen.fuzzing.differential import Settings, check
from codegen.fuzzing.graphs import random_sample
from codegen.graph_file import load
from codegen.kernels.add import AddKernel
from codegen.passes import PASSES
from codegen.reference import run

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "fuzz_codegen.py"


@pytest.mark.parametrize("graphs", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_random_graphs_give_the_bits_of_the_reference_everywhere(graphs: int) -> None:
    lines: list[str] = []
    campaign = run_campaign(20, range(graphs), cores=EVERY_TIME, report=lines.append)
    assert not campaign.failures, "\n".join(lines)
    assert campaign.checked > 0.625 * graphs
    tables = campaign.coverage.tables()
    assert sum(tables["kernels"].values()) > 2.5 * graphs
    assert tables["borders"]["zero point: 127"] or graphs < 40


def test_a_core_of_the_others_alone_runs_every_sample() -> None:
    campaign = run_campaign(3307, range(6), cores=["cortex-m33"], kinds=("Conv2D", "Add"))
    assert campaign.checked
    assert not campaign.failures


def test_a_wrong_kernel_is_found_and_its_graph_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pack = AddKernel.pack

    def wrong(self: AddKernel, op, graph, spec):  # type: ignore[no-untyped-def]
        *others, parameters = pack(self, op, graph, spec)
        changed = parameters.data.copy()
        changed[0] += 1 << 25
        return (*others, type(parameters)(parameters.name, changed))

    monkeypatch.setattr(AddKernel, "pack", wrong)
    lines: list[str] = []
    campaign = run_campaign(0, range(60), cores=["cortex-m4"], kinds=("Conv2D", "Add"), stop_at=1, report=lines.append)
    (failure,) = campaign.failures
    assert [op.kind for op in failure.smallest.graph.ops] == ["Add"]
    assert "give other outputs" in lines[0]
    assert [op.kind for op in load(save_failure(failure, 0, tmp_path)).ops] == ["Add"]


def test_the_host_build_is_sanitized(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planned arena that is four bytes short is found by the sanitizer and by the emulator."""
    import codegen.compile

    plan = codegen.compile.plan

    def short(*arguments, **options):  # type: ignore[no-untyped-def]
        from dataclasses import replace

        planned = plan(*arguments, **options)
        return replace(planned, arena_bytes=planned.arena_bytes - 8)

    monkeypatch.setattr(codegen.compile, "plan", short)
    sample = next(s for s in (random_sample(2, n, ("Conv2D",), operators=1) for n in range(50)) if s.graph.ops)
    assert compile_graph(sample.graph, find_core("cortex-m4"), name="m").plan.arena_bytes > 0
    (build,) = check(sample, ["cortex-m4"], Settings(), host=["cortex-m4"])
    assert {d.machine for d in build.differences} == {"cortex-m4", "host"}


def test_the_command_reports_and_repeats(tmp_path: Path) -> None:
    out = tmp_path / "coverage.json"
    command = [sys.executable, SCRIPT, "--seed", "20", "--only", "3", "--core", "cortex-m4", "--out", out, "--keep", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "never exercised:" in done.stdout
    content = json.loads(out.read_text())
    assert (content["graphs"], content["differ"]) == (1, [])
    assert sum(content["coverage"]["operators"].values()) == len(random_sample(20, 3, content["kinds"]).graph.ops)


def test_passes_keep_every_bit_of_random_graphs() -> None:
    """Without building anything, so over many more graphs."""
    fired: Counter[str] = Counter()
    for number in range(600):
        sample = random_sample(30, number)
        expected, graph = run(sample.graph, sample.inputs), sample.graph
        for rewrite in PASSES:
            rewritten = rewrite.run(graph)
            if rewritten is not graph:
                fired[rewrite.name] += 1
                found = run(rewritten, sample.inputs)
                assert all(np.array_equal(found[name], expected[name]) for name in graph.outputs), f"graph {number}: {rewrite.name}"
            graph = rewritten
    assert len(fired) > 0.6 * len(PASSES)
