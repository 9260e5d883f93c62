"""The executors, Ray's on real workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from codegen.errors import UserError
from nas.executor import Executor, Outcome, SerialExecutor, unordered_map


def double(x: int) -> int:
    return 2 * x


def total(array: NDArray[np.int64], factor: int) -> int:
    return factor * int(array.sum())


def process() -> int:
    time.sleep(0.2)
    return os.getpid()


def fail() -> None:
    raise ValueError("first line\nno such thing")


def die_once(marker: str) -> str:
    path = Path(marker)
    if path.exists():
        return "came back"
    path.touch()
    os._exit(3)


def die() -> None:
    os._exit(3)


def die_on(item: int) -> None:
    os._exit(3)


def fail_on(item: int) -> None:
    fail()


class OddError(Exception):
    """One that cannot be pickled and unpickled."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def fail_oddly() -> None:
    raise OddError("very", "odd")


@pytest.fixture(scope="module")
def ray_executor() -> Iterator[Executor]:
    from nas.ray_executor import RayExecutor

    with RayExecutor(2) as executor:
        yield executor


@pytest.fixture(params=["serial", "ray"])
def executor(request: pytest.FixtureRequest) -> Executor:
    return SerialExecutor() if request.param == "serial" else request.getfixturevalue("ray_executor")


def collect(executor: Executor, number: int) -> dict[int, Outcome]:
    return {outcome.ticket: outcome for outcome in (executor.wait() for _ in range(number))}


def test_every_function_ends_under_its_ticket(executor: Executor) -> None:
    tickets = {executor.submit(double, i): 2 * i for i in range(7)}
    assert {ticket: outcome.value for ticket, outcome in collect(executor, 7).items()} == tickets


def test_shared_values_reach_the_workers(executor: Executor) -> None:
    shared = executor.share(np.arange(100))
    tickets = {executor.submit(total, shared, factor): 4950 * factor for factor in (1, 2, 3)}
    assert {ticket: outcome.value for ticket, outcome in collect(executor, 3).items()} == tickets


def test_an_error_is_one_line_and_the_worker_goes_on(executor: Executor) -> None:
    ticket = executor.submit(fail)
    assert executor.wait() == Outcome(ticket, error="ValueError: no such thing")
    ticket = executor.submit(fail_oddly)
    assert executor.wait() == Outcome(ticket, error="OddError: very odd")
    executor.submit(double, 4)
    assert executor.wait().value == 8


def test_nothing_to_wait_for(executor: Executor) -> None:
    with pytest.raises(LookupError):
        executor.wait()


def test_two_workers_are_two_long_lived_processes(ray_executor: Executor) -> None:
    pids = []
    for _ in range(3):
        tickets = [ray_executor.submit(process) for _ in range(2)]
        pids.append({outcome.value for outcome in collect(ray_executor, len(tickets)).values()})
    assert len(pids[0]) == 2
    assert pids[0] == pids[1] == pids[2]
    assert os.getpid() not in pids[0]


def test_a_function_whose_worker_died_runs_again(ray_executor: Executor, tmp_path: Path) -> None:
    ticket = ray_executor.submit(die_once, str(tmp_path / "marker"))
    assert ray_executor.wait() == Outcome(ticket, value="came back")


def test_a_function_that_kills_its_workers_fails_alone(ray_executor: Executor) -> None:
    bad, good = ray_executor.submit(die), ray_executor.submit(double, 1)
    outcomes = collect(ray_executor, 2)
    assert outcomes[good].value == 2
    assert outcomes[bad].error == "its worker died 2 times"
    ray_executor.submit(double, 5)
    assert ray_executor.wait().value == 10


def test_a_map_gives_every_result_with_its_index(executor: Executor) -> None:
    assert sorted(unordered_map(executor)(double, range(5))) == [(i, 2 * i) for i in range(5)]


def test_a_map_says_which_item_failed(ray_executor: Executor) -> None:
    with pytest.raises(RuntimeError, match="batch 0: its worker died 2 times"):
        list(unordered_map(ray_executor, "batch")(die_on, [1]))
    with pytest.raises(RuntimeError, match=r"batch 0: .*no such thing"):
        list(unordered_map(SerialExecutor(), "batch")(fail_on, [1]))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "host:port"])
def test_no_cluster_at_that_address(address: str) -> None:
    from nas.ray_executor import RayExecutor

    with pytest.raises(UserError, match=f"--ray-address {address}: no Ray cluster there"):
        RayExecutor(1, address)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a cluster that asks for a token, as one does that is started where there is one; and the environment."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("0123456789abcdef" * 4)
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    for name in ("RAY_AUTH_MODE", "RAY_ADDRESS"):
        environment.pop(name, None)
    start = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2"]
    start += [f"--port={port}", "--include-dashboard=false", "--node-ip-address=127.0.0.1"]
    head = subprocess.Popen(start, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert head.stdout is not None
        assert any("Ray runtime started" in line for line in head.stdout)
        yield f"127.0.0.1:{port}", environment
    finally:
        head.terminate()
        head.communicate(timeout=60)


@pytest.mark.slow
def test_a_cluster_at_an_address_works_with_its_token_alone(cluster: tuple[str, dict[str, str]]) -> None:
    address, environment = cluster
    code = f"""
from codegen.errors import UserError
from test_ray_executor import double
from nas.ray_executor import RayExecutor
try:
    with RayExecutor(None, {address!r}) as executor:
        executor.submit(double, 21)
        print(executor.workers, executor.wait().value)
except UserError as error:
    print(error)
"""

    def said(**variables: str) -> str:
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment | variables)
        return ran.stdout.strip()

    assert said(RAY_AUTH_MODE="token") == "2 42"
    without = said()
    assert without.startswith(
        f"--ray-address {address}: no Ray cluster there, or one that asks for a token: then set RAY_AUTH_MODE=token ("
    )
    assert "\n" not in without


@pytest.mark.parametrize(
    ("nodes", "workers", "share"),
    [
        ([{"CPU": 16.0}], 16, 0.0),
        ([{"CPU": 16.0, "GPU": 1.0}], 16, 0.0625),
        ([{"CPU": 16.0, "GPU": 1.0}], 3, 0.3333),
        ([{"CPU": 5.0, "GPU": 2.0}], 5, 0.3333),  # 3 on one and 2 on the other
        ([{"CPU": 4.0, "GPU": 8.0}], 4, 1.0),
        ([{"CPU": 16.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 1.0}], 20, 0.0625),
        ([{"CPU": 16.0, "GPU": 1.0}, {"CPU": 4.0}], 20, 0.0),
        ([{"CPU": 16.0, "GPU": 1.0}, {"object_store_memory": 1e9}], 16, 0.0625),
    ],
)
def test_workers_share_gpus_without_keeping_cores_idle(nodes: list[dict[str, float]], workers: int, share: float) -> None:
    from nas.ray_executor import gpu_share

    assert gpu_share(nodes, workers) == share


def visible_gpus() -> str | None:
    time.sleep(0.5)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.mark.slow
def test_every_worker_of_a_cluster_is_given_one_gpu() -> None:
    """Ray hands out GPUs by number, whether or not they are real; five workers are three on one and two on the other."""
    code = """
import ray
from test_ray_executor import visible_gpus
from nas.ray_executor import RayExecutor
start = ray.init
ray.init = lambda *arguments, **options: start(*arguments, num_gpus=2, **options)
with RayExecutor(5) as executor:
    for _ in range(5):
        executor.submit(visible_gpus)
    print(sorted(executor.wait().value for _ in range(5)))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=environment)
    assert ran.stdout.strip() in ("['0', '0', '0', '1', '1']", "['0', '0', '1', '1', '1']")


def descendants(pid: int) -> set[int]:
    """Process ids of everything that ``pid`` started, directly or not."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
    found = {pid}
    while new := {child for child, parent in parents.items() if parent in found} - found:
        found |= new
    return found - {pid}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the table of processes from /proc")
def test_the_workers_of_a_killed_driver_end() -> None:
    """Ray's two monitoring agents need a minute more to notice; whatever computes is gone in seconds."""
    code = """
import sys, time
from nas.ray_executor import RayExecutor
executor = RayExecutor(2)
for _ in range(2): executor.submit(time.sleep, 0.1)
for _ in range(2): executor.wait()
for _ in range(4): executor.submit(time.sleep, 600)
print("running", flush=True)
executor.wait()
"""
    driver = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    assert driver.stdout.readline() == "running\n"
    started = {pid for pid in descendants(driver.pid) if "Agent" not in Path(f"/proc/{pid}/cmdline").read_text()}
    assert sum("_Worker" in Path(f"/proc/{pid}/cmdline").read_text() for pid in started) == 2
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in started) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert [pid for pid in started if alive(pid)] == []
