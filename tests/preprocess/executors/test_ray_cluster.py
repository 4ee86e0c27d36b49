"""Lost machines are counted by task; tests/evaluate/embedding/test_ray.py runs a real cluster."""

from types import SimpleNamespace

import ray

from preprocess.executors import ray_cluster
from preprocess.executors.ray_cluster import FORGIVEN_MACHINES, RayExecutor


class Reference:
    def task_id(self) -> bytes:
        return b""


def test_machines_that_a_finished_task_has_lost_do_not_count_for_another_at_its_address(monkeypatch):
    monkeypatch.setattr(ray_cluster, "_connect", lambda address: None)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 1.0})
    monkeypatch.setattr(ray, "wait", lambda references, timeout: (references, []))
    executor = RayExecutor()
    executor._reports = SimpleNamespace(qsize=lambda: 0, get_nowait_batch=lambda n: [])
    running = {Reference(): object()}
    machine, result = ("machine", "node died"), ("result", None)

    def kinds(*outcomes: tuple[str, str | None]) -> list[str]:
        left = iter(outcomes)
        monkeypatch.setattr(ray_cluster, "_outcome", lambda reference: next(left))
        return [kind for _ in outcomes for _, kind, _ in executor.messages(running)]

    forgiven = ["again"] * FORGIVEN_MACHINES
    for _ in range(2):
        assert kinds(*[machine] * FORGIVEN_MACHINES, result) == [*forgiven, "result"]
    assert kinds(*[machine] * FORGIVEN_MACHINES, machine) == [*forgiven, "death"]
