"""Runs tasks on a Ray cluster, on the processors of several machines; `run` is that of the executors of one machine.

Ray places the tasks, starts the processes, and notices when a process or a machine dies. It is not asked to try a task
again by itself: whether a source may be tried again is for `on_death` to say, which sees the task's last report.
"""

import contextlib
import itertools
import logging
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preprocess.errors import ClusterError, PreprocessError
from preprocess.executors.processes import GRACE_SECONDS, OnDeath, R, T, Work

POLL_SECONDS = 0.5
"""How often reports are fetched while no task ends."""
WAITING_TASKS = 2
"""Tasks beyond the free places, so that no place waits for us."""
TASKS_A_PROCESS = 32
"""Then Ray replaces the process: what tasks leak is bounded, and the modules need not be loaded for each."""
FORGIVEN_MACHINES = 3
"""Machines that a task may lose without being suspected; after that it is treated as one whose process died."""

_log = logging.getLogger(__name__)


class RayExecutor:
    """Runs every task in a process of a Ray cluster, as many at a time as the cluster has processors.

    Tasks, and the paths in them, must mean the same on every machine: the same environment, a folder that all share.

    Args:
        address: "auto" for the cluster of this machine, HOST:PORT, ray://HOST:PORT from outside, or "local" for a
            cluster that is this machine alone and ends with this process.
        gpus_a_task: GPUs that Ray keeps for each task.

    Raises:
        ClusterError: Ray is not installed, there is no cluster at the address, or it has no GPU though one is asked for.

    """

    def __init__(self, address: str = "auto", *, gpus_a_task: float = 0.0) -> None:
        self.address = address
        self.gpus_a_task = gpus_a_task
        _connect(address)
        if self._places() < 1:
            raise ClusterError(f"the Ray cluster at {address} has no {'GPU' if gpus_a_task else 'processor'}")

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run the tasks.

        Raises:
            PreprocessError: what the work or `on_death` raised; the other tasks are ended first.
            ClusterError: the cluster is gone.

        """
        import ray

        served = ray.remote(num_cpus=1, num_gpus=self.gpus_a_task, max_retries=0, max_calls=TASKS_A_PROCESS)(_serve)
        reports, numbers, here = _Reports(), itertools.count(), Path.cwd()
        tasks, again = iter(tasks), deque[_Running]()
        running: dict[Any, _Running] = {}
        try:
            while True:
                while len(running) < self._places() + WAITING_TASKS and (one := _next(again, tasks)) is not None:
                    one.number = next(numbers)
                    running[served.remote(work, one.task, one.number, reports.queue, here)] = one
                if not running:
                    return
                done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                by_number = {one.number: one for one in running.values()}
                for number, message in reports.take():  # before the ends: a task reports before it ends
                    by_number[number].last_report = message
                    report(message)
                for reference in done:
                    one = running.pop(reference)
                    outcome = _outcome(reference)
                    if isinstance(outcome, _Dead):
                        again.append(one.after_death(outcome, on_death))
                    else:
                        yield outcome
        except (ray.exceptions.RaySystemError, ray.exceptions.RayActorError, ConnectionError) as error:
            raise ClusterError(f"the Ray cluster at {self.address} is gone ({_first_line(error)})") from error
        finally:
            _stop(list(running))
            reports.close()

    def _places(self) -> int:
        """Count the tasks that the cluster, as it is now, can run at a time."""
        import ray

        there = ray.cluster_resources()
        places = there.get("CPU", 0.0)
        return int(min(places, there.get("GPU", 0.0) / self.gpus_a_task) if self.gpus_a_task else places)


@dataclass
class _Running:
    """A task that Ray has."""

    task: Any
    number: int = -1
    last_report: Any = None
    n_machines_lost: int = 0

    def after_death(self, dead: "_Dead", on_death: OnDeath[Any, Any]) -> "_Running":
        """Say what to try instead. A machine that is gone says nothing about the source that it read."""
        if dead.is_machine and self.n_machines_lost < FORGIVEN_MACHINES:
            _log.warning("a machine of the cluster is gone: what it was at is done again (%s)", dead.how)
            return _Running(self.task, n_machines_lost=self.n_machines_lost + 1)
        task = on_death(self.task, self.last_report, dead.how)
        return _Running(task, n_machines_lost=self.n_machines_lost)


@dataclass(frozen=True)
class _Dead:
    """What stands for a process that ended without a result."""

    how: str
    is_machine: bool = False


class _Reports:
    """Ray's own queue, on this side of the cluster: it must outlive the machines that report."""

    def __init__(self) -> None:
        import ray
        from ray.util.queue import Queue
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})

    def take(self) -> list[Any]:
        """Take all that is there."""
        return self.queue.get_nowait_batch(self.queue.qsize())

    def close(self) -> None:
        """End the queue's process."""
        self.queue.shutdown(force=True)


def _connect(address: str) -> None:
    """Join the cluster, once a process."""
    try:
        import ray
    except ImportError as error:
        raise ClusterError("Ray is not installed: pip install 'avtempo[ray]', on every machine") from error
    if ray.is_initialized():
        return
    ended_by = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        remedy = "start one with `ray start --head`, and `ray start --address HOST:6379` on the other machines"
        raise ClusterError(f"no Ray cluster at {address} ({_first_line(error)}): {remedy}") from error
    finally:
        signal.signal(signal.SIGTERM, ended_by)  # Ray puts its own in the place of the command's


def _next(again: deque[_Running], tasks: Iterator[Any]) -> _Running | None:
    if again:
        return again.popleft()
    task = next(tasks, None)
    return None if task is None else _Running(task)


def _serve(work: Work[Any, Any], task: Any, number: int, queue: Any, folder: Path) -> Any:
    """Do one task in a process of the cluster. A report has arrived before the work goes on: it names a killer."""
    with contextlib.suppress(OSError):
        os.chdir(folder)  # relative paths mean what they mean where the run was started, if that folder is shared
    return work(task, lambda message: queue.put((number, message)))


def _outcome(reference: Any) -> Any:
    """Fetch what a task has come to."""
    import ray
    from ray import exceptions

    try:
        return ray.get(reference)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, PreprocessError):
            raise error.cause from None
        return _Dead(f"{type(error.cause).__name__}: {error.cause}")
    except (exceptions.NodeDiedError, exceptions.LocalRayletDiedError, exceptions.ObjectLostError) as error:
        return _Dead(_first_line(error), is_machine=True)
    except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError) as error:
        return _Dead(_first_line(error))


def _stop(references: list[Any]) -> None:
    """End tasks, which ends their ffmpeg and removes what is half written; those that do not listen are killed."""
    import ray

    if not references or not ray.is_initialized():
        return
    for reference in references:
        ray.cancel(reference)
    _, deaf = ray.wait(references, num_returns=len(references), timeout=GRACE_SECONDS)
    for reference in deaf:
        ray.cancel(reference, force=True)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
