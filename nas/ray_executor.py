"""The only file that knows of Ray: long-lived workers, one core each, that live and die with this process.

Workers import torch and TVM once and keep them. Where there are GPUs, each worker has its part of one. Shared values go to the
object store once and are mapped read-only into every worker. A worker that dies takes nothing with it: its function runs once more
on a fresh one before it counts as failed.
"""

from __future__ import annotations

import math
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from codegen.errors import UserError
from nas.executor import Outcome, one_line

ATTEMPTS = 2
"""How often a function may take its worker down."""
PARTS_OF_A_GPU = 10_000
"""Ray counts in these."""

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_enable_metrics_collection": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "PYTHONWARNINGS": "ignore",
    # Torch and BLAS size their thread pools when they are loaded; a worker owns one core.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class _Job:
    ticket: int
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    attempts: int = 0


class _Worker:
    """Runs in a process of its own."""

    def __init__(self) -> None:
        import signal

        # Ctrl-C reaches every process of the terminal's group; only the driver decides what it means.
        with suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, str | None]:
        """Call the function; its value, or the error that ended it as text, because not every exception can be sent."""
        try:
            return function(*arguments), None
        except Exception as error:
            return None, one_line(error)


class RayExecutor:
    """Functions on Ray workers: on this machine, or on the cluster at ``address``, each with a :func:`gpu_share`.

    :param workers: how many functions run at once; by default all cores of the machine or the cluster.
    :raises UserError: if there is no cluster at ``address`` or Ray does not start.
    """

    def __init__(self, workers: int | None = None, address: str | None = None, object_store_bytes: int = 256 * 2**20) -> None:
        if address is None:
            cores = workers or os.cpu_count() or 1
            ray = _start(None, num_cpus=cores, include_dashboard=False, object_store_memory=object_store_bytes)
        else:
            ray = _start(address)
        self._ray = ray
        self._workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        needs = {"num_cpus": 1, "num_gpus": gpu_share(nodes, self._workers), "scheduling_strategy": "SPREAD"}
        self._actor_class = ray.remote(max_restarts=0, **needs)(_Worker)
        self._idle: list[Any] = []
        self._alive = 0
        self._queue: deque[_Job] = deque()
        self._running: dict[Any, tuple[_Job, Any]] = {}
        self._tickets = 0

    @property
    def workers(self) -> int:
        """How many functions run at once."""
        return self._workers

    def share(self, value: Any) -> Any:
        """Put ``value`` into the object store."""
        return self._ray.put(value)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> int:
        """Run the function on a free worker, starting workers up to their number; queue it where none is free."""
        self._tickets += 1
        self._queue.append(_Job(self._tickets, function, arguments))
        self._dispatch()
        return self._tickets

    def _dispatch(self) -> None:
        while self._queue and (self._idle or self._alive < self._workers):
            if not self._idle:
                self._idle.append(self._actor_class.remote())
                self._alive += 1
            actor, job = self._idle.pop(), self._queue.popleft()
            self._running[actor.run.remote(job.function, *job.arguments)] = (job, actor)

    def wait(self) -> Outcome:
        """The next function that ended.

        :raises LookupError: if nothing was submitted.
        """
        while self._running:
            done, _ = self._ray.wait(list(self._running), num_returns=1)
            job, actor = self._running.pop(done[0])
            try:
                outcome = Outcome(job.ticket, *self._ray.get(done[0]))
            except self._ray.exceptions.RayActorError:
                self._alive -= 1
                if job.attempts + 1 < ATTEMPTS:
                    self._queue.appendleft(replace(job, attempts=job.attempts + 1))
                    self._dispatch()
                    continue
                outcome = Outcome(job.ticket, error=f"its worker died {ATTEMPTS} times")
            except self._ray.exceptions.RayTaskError as error:
                self._idle.append(actor)
                outcome = Outcome(job.ticket, error=one_line(error))  # its value cannot be sent
            else:
                self._idle.append(actor)
            self._dispatch()
            return outcome
        raise LookupError("nothing was submitted")

    def __enter__(self) -> RayExecutor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ray.shutdown()


def gpu_share(nodes: Sequence[Mapping[str, float]], workers: int) -> float:
    """The part of a GPU that each of so many workers is to have, 0 to 1, on nodes with these resources by Ray's names.

    Parts are as small as the node needs that has the most workers to a GPU, so that GPUs never keep a core from its worker. 0 where
    some node with cores has no GPU: workers may run there as well, and those on other nodes use the first GPU that they find.
    """
    working = [node for node in nodes if node.get("CPU", 0) >= 1]
    if not working or not all(node.get("GPU", 0) >= 1 for node in working):
        return 0.0
    crowd = max(math.ceil(min(workers, node["CPU"]) / node["GPU"]) for node in working)
    return math.floor(PARTS_OF_A_GPU / crowd) / PARTS_OF_A_GPU


def cluster_cores(address: str) -> int:
    """Cores of the Ray cluster at ``address``.

    :raises UserError: if there is none.
    """
    ray = _start(address)
    try:
        return max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def _start(address: str | None, **options: Any) -> Any:
    """Connect to a cluster, or start one on this machine; returns the ray module."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address not in (None, "auto"):
        _check_reachable(str(address))
    import ray

    if ray.is_initialized():
        raise UserError("Ray runs in this process already; a search starts and ends its own: call ray.shutdown() first")
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **options)
    except Exception as error:
        ray.shutdown()
        if address is not None:
            raise UserError(f"--ray-address {address}: no Ray cluster there{_token_hint()} ({one_line(error)})") from None
        raise UserError(f"Ray does not start: {one_line(error)}") from error
    return ray


def _token_hint() -> str:
    """What may be the reason where nothing lets this process in: from Ray 2.60 on clusters may ask for a token, which Ray sends to
    an address that was given only if it is told to (https://docs.ray.io/en/latest/ray-security/token-auth.html)."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token":
        return " that takes this machine's token"
    return ", or one that asks for a token: then set RAY_AUTH_MODE=token"


def _check_reachable(address: str) -> None:
    """Ray ends the whole process where nothing answers at the address, so find out before.

    :raises UserError: if nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise UserError(f"--ray-address {address}: no Ray cluster there ({one_line(error)}); write host:port or auto") from None
