"""A map on real processes: results, failures, an early end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock, Thread

import jobs
import pytest

from codegen.errors import UserError
from codegen.process_map import ProcessMap, available_processors, serial_map


def wait_for(done: str, paths: list[Path]) -> list[int]:
    """The numbers in files that others write."""
    until = time.monotonic() + 60
    while not all(path.is_file() and path.read_text() for path in paths):
        assert time.monotonic() < until, done
        time.sleep(0.05)
    return [int(path.read_text()) for path in paths]


def ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_every_result_comes_with_its_index(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert sorted(ProcessMap(workers)(jobs.square, range(7))) == [(x, x * x) for x in range(7)]
    assert list(ProcessMap(workers)(jobs.square, [])) == []


def test_processes_are_used_again_and_no_more_than_were_asked_for() -> None:
    seen = {process for _, process in ProcessMap(2)(jobs.process, range(6))}
    assert len(seen) == 2
    assert os.getpid() not in seen


def test_one_worker_or_one_job_stays_in_this_process() -> None:
    assert [process for _, process in ProcessMap(1)(jobs.process, range(2))] == [os.getpid()] * 2
    assert [process for _, process in ProcessMap(4)(jobs.process, range(1))] == [os.getpid()]
    assert list(serial_map(jobs.square, range(3))) == [(0, 0), (1, 1), (2, 4)]


def test_what_a_function_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="no such thing as 3"):
        list(ProcessMap(2)(jobs.fail_at_three, range(6)))
    with pytest.raises(RuntimeError, match="OddError: very odd"):
        list(ProcessMap(2)(jobs.fail_oddly, range(2)))


def test_a_job_that_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(Exception, match="pickle"):
        list(ProcessMap(2)(jobs.held, [Lock(), Lock()]))


@pytest.mark.parametrize(("function", "how"), [(jobs.exit_at_once, "exit status 3"), (jobs.be_killed, "signal SIGKILL")])
def test_a_process_that_dies_is_one_clear_error(function: Callable[[int], None], how: str) -> None:
    with pytest.raises(UserError, match=rf"a worker process died \({how}\)"):
        list(ProcessMap(2)(function, range(4)))


@pytest.fixture
def heeds_interrupts() -> Iterator[None]:
    """What a shell starts in the background inherits that they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interrupts")
def test_an_interrupt_ends_the_processes(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]

    def interrupt() -> None:
        wait_for("two processes at work", paths)
        os.kill(os.getpid(), signal.SIGINT)

    Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(ProcessMap(2)(jobs.note_and_sleep, [str(path) for path in paths]))
    assert all(ended(int(path.read_text())) for path in paths)


def test_a_script_needs_no_guard_around_its_calls(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import jobs\nfrom codegen.process_map import ProcessMap\n"
        "print('started')\nprint({file for _, file in ProcessMap(2)(jobs.main_module, range(4))} == {__file__})\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False, timeout=60, cwd=tmp_path
    )
    assert done.stdout.splitlines() == ["started", "False"], done.stderr
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity here")
def test_only_processors_that_are_available_count() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert available_processors() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert available_processors() == len(allowed)
