"""Options of several commands: the longest file; processes of this machine, or of a Ray cluster."""

import argparse
import os

from preprocess.executors.processes import Executor


def n_processors() -> int:
    """Processors that this process may use; all of the machine's where the system does not say (macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def add_max_hours(parser: argparse.ArgumentParser) -> None:
    """Length of the longest file that is read."""
    parser.add_argument(
        "--max-hours", type=_above_0, default=6.0, metavar="H", help="longest file that is read (default: %(default)g)"
    )


def _above_0(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError("must be above 0")
    return float(text)


def add_executor_options(parser: argparse.ArgumentParser) -> None:
    """Where tasks run."""
    parser.add_argument(
        "--executor", choices=("processes", "ray"), default="processes",
        help="processes of this machine, or of a Ray cluster (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--address", default="auto", metavar="ADDRESS",
        help="address of the Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local (default: auto)",
    )  # fmt: skip


def chosen_executor(arguments: argparse.Namespace, *, gpus_a_task: float = 0.0) -> Executor | None:
    """Connect to the requested cluster; None for processes of this machine.

    Raises:
        ClusterError: the cluster cannot be reached.
    """
    if arguments.executor == "processes":
        return None
    from preprocess.executors.ray_cluster import RayExecutor

    return RayExecutor(arguments.address, gpus_a_task=gpus_a_task)
