"""What decides the bytes of a shard must be the same on every machine that builds one."""

import dataclasses

import pytest

from preprocess.build.pipeline import build
from preprocess.catalogues.open_catalogue import open_catalogue
from preprocess.errors import EnvironmentDiffersError
from preprocess.executors.processes import SerialExecutor
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.shards.recipe import Recipe
from tests.preprocess.whole_run import PARAMS


class OtherMachine(SerialExecutor):
    """An executor whose tasks come from a machine with another numpy."""

    def run(self, work, tasks, report, on_death):
        def told(task):
            packages = task.recipe.packages | {"numpy": "1.0"}
            return dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, packages=packages))

        return super().run(work, map(told, tasks), report, on_death)


def test_a_machine_with_other_releases_builds_no_shard(clips, tmp_path):
    with pytest.raises(EnvironmentDiffersError, match=r"has numpy \d\S+ instead of 1\.0: install the same environment"):
        build(open_catalogue("folder", clips), tmp_path / "shards", PARAMS, executor=OtherMachine())
    assert not list((tmp_path / "shards").glob("shard-*"))


def test_another_ffmpeg_is_named(clips):
    recipe = Recipe.of(open_catalogue("folder", clips), PARAMS, "n3.1")
    with pytest.raises(EnvironmentDiffersError, match=r"ffmpeg .* instead of n3\.1"):
        recipe.check_environment(ffmpeg_version())
