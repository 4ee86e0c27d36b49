"""Two machines, as far as Ray can tell: the same shards, stores and index as one process makes, whatever dies."""

import logging
import os
import threading
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import psutil
import pytest

from evaluate.embedding.clip_encoders import load_run
from evaluate.embedding.embed import SHARDS_A_TASK, embed
from evaluate.embedding.embed_task import EmbedOptions
from evaluate.fingerprint.api import Index
from evaluate.fingerprint.index.archive import Archive
from evaluate.protocols.stores import store_paths
from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.shards.manifest import read_segments
from preprocess.verify.shard_set import verify
from store.reader import EmbeddingStore
from tests.evaluate.conftest import PARAMS
from tests.preprocess.whole_run import bytes_of
from train.run.checkpoint import LAST_NAME

pytestmark = pytest.mark.slow

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
HEAD = NODE | {"_system_config": {"num_workers_soft_limit": 4}}
"""Ray ends idle processes beyond this number, else the processors': then each task of a second would load torch anew."""


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes with a processor each; this process is on the first."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        started = Cluster(initialize_head=True, head_node_args=HEAD)
        yield started
        import ray

        ray.shutdown()
        started.shutdown()


@pytest.fixture(scope="module")
def on_ray(cluster):
    from preprocess.executors.ray_cluster import RayExecutor

    return RayExecutor(cluster.address)


@pytest.fixture
def second_node(cluster):
    node = cluster.add_node(**NODE)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node, allow_graceful=False)


def at_work(folder, node):
    """Shards that a process of this node is writing now; the temporary names end in its number."""
    raylet = node.all_processes["raylet"][0].process.pid
    for path in folder.glob(".shard-*.tar.*.tmp"):
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(int(path.name.split(".")[-2])).ppid() == raylet:
                yield path


def test_a_node_killed_in_mid_run_costs_what_it_was_at_and_nothing_else(
    cluster, on_ray, second_node, ucf_folder, tmp_path, caplog
):
    params = replace(PARAMS, sources_per_shard=1)
    catalogue = open_catalogue("ucf101", ucf_folder)
    build(catalogue, tmp_path / "alone", params)
    killed = []

    def kill():
        deadline = time.monotonic() + 240
        while not killed and time.monotonic() < deadline:
            killed.extend(path.name for path in at_work(tmp_path / "shards", second_node))
            time.sleep(0.002)
        cluster.remove_node(second_node, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    with caplog.at_level(logging.WARNING):
        build(catalogue, tmp_path / "shards", params, executor=on_ray)
    killer.join()
    assert len(killed) == 1
    assert "a machine of the cluster is gone" in caplog.text
    assert bytes_of(tmp_path / "shards") == bytes_of(tmp_path / "alone")
    assert verify(tmp_path / "shards", executor=on_ray) == []


def test_a_source_at_which_a_process_dies_twice_is_named(on_ray, ucf_folder, tmp_path, caplog):
    catalogue = open_catalogue("ucf101", ucf_folder)
    with caplog.at_level(logging.WARNING):
        summary = build(catalogue, tmp_path, PARAMS, executor=_Deadly(on_ray, at=7), max_failed=1)
    assert caplog.text.count(f"the process that read {catalogue.sources[7].name} ended") == 2
    assert [failure.example for failure in summary.failures] == [catalogue.sources[7].name]
    assert summary.failures[0].reason.startswith("the process that read it ended twice: ")
    assert read_segments(tmp_path)["source_index"].tolist() == [index for index in range(18) if index != 7]


class _Deadly:
    """An executor whose processes die at one source."""

    def __init__(self, executor, at):
        self._executor, self._at = executor, at

    def run(self, work, tasks, report, on_death):
        at = self._at

        def deadly(task, report):
            def told(progress):
                report(progress)
                if progress.at_source == at and at not in task.excluded:
                    os.kill(os.getpid(), 9)

            return work(task, told)

        return self._executor.run(deadly, tasks, report, on_death)


def test_embedding_on_the_cluster_makes_the_stores_of_one_process(on_ray, ucf_folder, run_folder, tmp_path):
    """More shards than a task has, so that several tasks make one store."""
    params = replace(PARAMS, sources_per_shard=2)
    shards = tmp_path / "shards"
    build(open_catalogue("ucf101", ucf_folder), shards, params)
    run = load_run(run_folder / "checkpoints" / LAST_NAME, ("pretrained", "raw"))
    stores, seen = {}, []
    for name, executor in (("alone", None), ("cluster", on_ray)):
        stores[name] = store_paths(tmp_path / name, "tiny", ("pretrained", "raw"))
        given = run, shards, stores[name], "tiny", EmbedOptions(batch_size=4, num_threads=1)
        embedded = embed(*given, executor=executor, progress=lambda *state: seen.append(state))
        assert embedded == ("pretrained", "raw")
    assert len(read_segments(shards)["shard"].unique()) > SHARDS_A_TASK
    assert (seen[-1][0], seen[-1][1]) == (18, 18)
    for model in ("pretrained", "raw"):
        with EmbeddingStore(stores["alone"][model]) as alone, EmbeddingStore(stores["cluster"][model]) as spread:
            assert alone.frame().equals(spread.frame())
            assert alone.provenance == spread.provenance
            for name in alone.vector_names:
                assert abs(alone.vectors(name) - spread.vectors(name)).max() < 1e-3, name


def test_an_index_made_on_the_cluster_answers_like_one_made_here(on_ray, ucf_folder, run_folder, tmp_path):
    indexes = []
    for name, executor in (("alone", None), ("cluster", on_ray)):
        grown = Index.open(tmp_path / name, encoder=run_folder).add(ucf_folder, executor=executor)
        assert (grown.n_sources, len(grown.unreadable)) == (18, 0)
        indexes.append(Archive.open(tmp_path / name))
    alone, spread = ({each.source: each for each in index.descriptors()} for index in indexes)
    assert list(alone) == list(spread)
    for name, each in alone.items():
        assert np.allclose(each.video, spread[name].video, atol=1e-2)
        assert (each.start_seconds == spread[name].start_seconds).all()
    assert [len(part.sources) for part in indexes[1].parts()] == [16, 2]
