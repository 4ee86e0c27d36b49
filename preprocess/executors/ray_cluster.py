"""Runs tasks on a Ray cluster, on the processors of several machines; `run` is that of `processes`.

Ray places the tasks, starts the processes, and notices when a process or a machine dies. Ray's own retries are off:
`on_death`, which sees the task's last report, decides whether a source is tried again.
"""

import contextlib
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
"""Reports are fetched this often while no task ends."""
WAITING_TASKS = 2
"""Tasks beyond the free places, so that no place waits for this process."""
TASKS_A_PROCESS = 32
"""Then Ray replaces the process. That bounds leaks, and modules are not loaded for each task."""
FORGIVEN_MACHINES = 3
"""A task may lose so many machines; the next loss counts like the death of its process."""

_log = logging.getLogger(__name__)


@dataclass
class _Running:
    """A task that Ray has."""

    task: Any
    last_report: Any = None
    n_machines_lost: int = 0


class RayExecutor:
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
        _connect(address)
        if self._n_places() < 1:
            raise ClusterError(f"the Ray cluster at {address} has no {'GPU' if gpus_a_task else 'processor'}")

    def _n_places(self) -> int:
        """Count the tasks that the cluster can run at a time now."""
        import ray

        there = ray.cluster_resources()
        n_places = there.get("CPU", 0.0)
        return int(min(n_places, there.get("GPU", 0.0) / self.gpus_a_task) if self.gpus_a_task else n_places)

    def run(
        self, work: Work[T, R], tasks: Iterable[T], report: Callable[[R], None], on_death: OnDeath[T, R]
    ) -> Iterator[R]:
        """Run the tasks.

        Raises:
            PreprocessError: the work or `on_death` raised it; the other tasks end first.
            ClusterError: the cluster is gone.
        """
        import ray

        remote = ray.remote(num_cpus=1, num_gpus=self.gpus_a_task, max_retries=0, max_calls=TASKS_A_PROCESS)
        do_task, reports, folder = remote(_do_task), _report_queue(), Path.cwd()
        tasks, again = iter(tasks), deque[_Running]()
        running: dict[Any, _Running] = {}
        try:
            while True:
                while len(running) < self._n_places() + WAITING_TASKS:
                    one = again.popleft() if again else _Running(next(tasks, None))
                    if one.task is None:
                        break
                    running[do_task.remote(work, one.task, reports, folder)] = one
                if not running:
                    return
                done, _ = ray.wait(list(running), timeout=POLL_SECONDS)
                by_id = {reference.task_id().hex(): one for reference, one in running.items()}
                for task_id, message in reports.get_nowait_batch(reports.qsize()):
                    if task_id in by_id:  # not a late report of a process that died
                        by_id[task_id].last_report = message
                        report(message)
                for reference in done:
                    one = running.pop(reference)
                    kind, message = _outcome(reference)
                    if kind == "result":
                        yield message
                    elif kind == "machine" and one.n_machines_lost < FORGIVEN_MACHINES:
                        _log.warning("a machine of the cluster is gone: its task is done again (%s)", message)
                        again.append(_Running(one.task, n_machines_lost=one.n_machines_lost + 1))
                    else:
                        task = on_death(one.task, one.last_report, message)
                        again.append(_Running(task, n_machines_lost=one.n_machines_lost))
        except (ray.exceptions.RaySystemError, ray.exceptions.RayActorError, ConnectionError) as error:
            raise ClusterError(f"the Ray cluster at {self.address} is gone ({_first_line(error)})") from error
        finally:
            _stop(list(running))
            reports.shutdown(force=True)


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
    """Fetch the "result" of a task, or the cause of "death" of its process or its "machine".

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
        return "machine", _first_line(error)
    except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError) as error:
        return "death", _first_line(error)


def _stop(references: list[Any]) -> None:
    """Cancel tasks, which ends their ffmpeg and removes unfinished files; kill those that do not react."""
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
