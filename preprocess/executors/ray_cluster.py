"""Runs tasks on a Ray cluster, on the processors of several machines.

Ray places the tasks, starts the processes, and notices when a process or a machine dies. Ray's own retries are off:
`on_death`, which sees the task's last report, decides whether a source is tried again.
"""

import contextlib
import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from preprocess.errors import ClusterError, PreprocessError, first_line
from preprocess.executors.processes import GRACE_SECONDS, ConcurrentExecutor, OnDeath, R, T, Work

POLL_SECONDS = 0.5
"""Reports are fetched this often while no task ends."""
WAITING_TASKS = 2
"""Tasks beyond the free places, so that no place waits for this process."""
TASKS_A_PROCESS = 32
"""Then Ray replaces the process. That bounds leaks, and modules are not loaded for each task."""
FORGIVEN_MACHINES = 3
"""A task may lose so many machines; the next loss counts like the death of its process."""

_log = logging.getLogger(__name__)


class RayExecutor(ConcurrentExecutor):
    """Runs every task in a process of a Ray cluster, as many at a time as the cluster has processors.

    Tasks, and the paths in them, must mean the same on every machine: one environment, and a folder that all share.

    Args:
        address: "auto" for the cluster of this machine, HOST:PORT, ray://HOST:PORT from outside, or "local" for a
            cluster of this machine alone that ends with this process.
        gpus_a_task: GPUs that Ray keeps for each task.

    Raises:
        ClusterError: Ray is not installed, there is no cluster at the address, or it lacks processors or GPUs.
    """

    def __init__(self, address: str = "auto", *, gpus_a_task: float = 0.0) -> None:
        self.address, self.gpus_a_task = address, gpus_a_task
        self._do_task: Any = None
        self._reports: Any = None
        self._n_lost = Counter[int]()  # machines, by the identity of the task
        _connect(address)
        if self.n_places() <= WAITING_TASKS:
            raise ClusterError(f"the Ray cluster at {address} has no {'GPU' if gpus_a_task else 'processor'}")

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run the tasks; ClusterError if the cluster is gone."""
        import ray

        try:
            self._reports = _report_queue()
            remote = ray.remote(num_cpus=1, num_gpus=self.gpus_a_task, max_retries=0, max_calls=TASKS_A_PROCESS)
            self._do_task = remote(_do_task)
            yield from super().run(work, tasks, report, on_death)
        except (ray.exceptions.RaySystemError, ray.exceptions.RayActorError, ConnectionError) as error:
            raise ClusterError(f"the Ray cluster at {self.address} is gone ({first_line(error)})") from error

    def n_places(self) -> int:
        """Tasks for the cluster as it is now, and a few that wait."""
        import ray

        there = ray.cluster_resources()
        n_places = there.get("CPU", 0.0)
        if self.gpus_a_task:
            n_places = min(n_places, there.get("GPU", 0.0) / self.gpus_a_task)
        return int(n_places) + WAITING_TASKS

    def start(self, work: Work[T, R], task: T) -> Any:
        """Hand a task to Ray; return the reference to its result."""
        return self._do_task.remote(work, task, self._reports, Path.cwd())

    def messages(self, running: Mapping[Any, Any]) -> Iterator[tuple[Any, str, Any]]:
        """Wait for the end of a task, but not long; the reports come first."""
        import ray

        done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
        by_id = {reference.task_id().hex(): reference for reference in running}
        for task_id, message in self._reports.get_nowait_batch(self._reports.qsize()):
            if task_id in by_id:  # not a late report of a process that died
                yield by_id[task_id], "report", message
        for reference in done:
            kind, message = _outcome(reference)
            if kind == "machine":
                self._n_lost[id(running[reference])] += 1
                is_forgiven = self._n_lost[id(running[reference])] <= FORGIVEN_MACHINES
                kind = "again" if is_forgiven else "death"
                _log.warning("a machine of the cluster is gone: its task is done again (%s)", message)
            elif kind == "result":
                self._n_lost.pop(id(running[reference]), None)  # a later task may get the same identity
            yield reference, kind, message

    def stop(self, places: list[Any]) -> None:
        """Cancel tasks, which ends their ffmpeg and removes unfinished files; kill those that do not react."""
        import ray

        if places and ray.is_initialized():
            for reference in places:
                ray.cancel(reference)
            _, deaf = ray.wait(places, num_returns=len(places), timeout=GRACE_SECONDS)
            for reference in deaf:
                ray.cancel(reference, force=True)
        self._reports.shutdown(force=True)


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
        raise ClusterError(f"no Ray cluster at {address} ({first_line(error)}): {remedy}") from error
    finally:
        signal.signal(signal.SIGTERM, ended_by)  # Ray replaces the handler of the command


def _report_queue() -> Any:
    """Ray's own queue, on this machine: it must outlive the machines that report."""
    import ray
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})


def _do_task(work: Work[Any, Any], task: Any, reports: Any, folder: Path) -> Any:
    """Do one task in a process of the cluster. A report arrives before the work continues, so it can name a killer."""
    import ray

    with contextlib.suppress(OSError):
        os.chdir(folder)  # if that folder is shared, relative paths mean the same as where the run was started
    task_id = ray.get_runtime_context().get_task_id()
    return work(task, lambda message: reports.put((task_id, message)))


def _outcome(reference: Any) -> tuple[str, Any]:
    """Fetch the "result" of a task, or the cause of the "death" of its process or its "machine".

    Raises:
        PreprocessError: the work raised it.
    """
    import ray
    from ray import exceptions

    try:
        return "result", ray.get(reference)
    except exceptions.RayTaskError as error:
        if isinstance(error.cause, PreprocessError):
            raise error.cause from None
        return "death", f"{type(error.cause).__name__}: {error.cause}"
    except (exceptions.NodeDiedError, exceptions.LocalRayletDiedError, exceptions.ObjectLostError) as error:
        return "machine", first_line(error)
    except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError) as error:
        return "death", first_line(error)
