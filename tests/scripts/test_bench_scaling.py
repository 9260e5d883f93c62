"""The measure of how many workers a search keeps busy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import bench_scaling
import pytest
from simulated_workers import VirtualWorkers, idle_share

from nas.study.tasks import Screened


def test_the_idle_share_is_of_the_time_between() -> None:
    assert idle_share([(0, 10), (0, 5), (5, 20)], 2, 0, 10) == 0
    assert idle_share([(0, 10), (0, 5)], 2, 0, 10) == 0.25
    assert idle_share([(0, 10), (12, 20)], 1, 8, 12) == 0.5


def test_virtual_workers_end_in_the_order_of_their_lengths() -> None:
    executor = VirtualWorkers(2)
    tickets = [executor.submit(lambda seconds=seconds: Screened(0.5, (0.5,), seconds, b"")) for seconds in (20.0, 10.0)]
    assert [executor.wait().ticket for _ in tickets] == tickets[::-1]
    assert 20 <= executor.now() < 21
    assert [end - begin for begin, end in executor.spans()] == [10, 20]


def test_a_larger_lag_leaves_fewer_workers_idle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "rows.json"
    options = ["--virtual", "--samplers", "random", "--workers", "8", "--trials", "60", "--lag", "1,3", "--json", str(path)]
    assert bench_scaling.main(options) == 0
    narrow, wide = json.loads(path.read_text())["rows"]
    assert (narrow["lag"], wide["lag"]) == (8, 24)
    assert narrow["trials"] == wide["trials"] == 60
    assert 0 < narrow["stopped"] < 1
    assert narrow["idle"] > 0.1
    assert wide["idle"] < narrow["idle"] / 2
    assert 0 < wide["cpu"] < 1
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.slow
def test_workers_on_ray() -> None:
    """Six of them in four processes."""
    script = Path(bench_scaling.__file__)
    command = [sys.executable, script, "--samplers", "random", "--workers", "6", "--trials", "12", "--seconds", "0.5"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row = done.stdout.splitlines()[-1].split()
    assert row[:4] == ["random", "6", "6", "12"]
    assert 0.1 < float(row[4]) < 1
