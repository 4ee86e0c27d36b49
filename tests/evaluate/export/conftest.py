"""A finished run and the shards that it was trained on, for exports of it."""

import shutil
from pathlib import Path

import pytest

from tests.train.conftest import write_shards
from tests.train.small_runs import config
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of run/ and shards/, to be copied before anything is changed."""
    folder = tmp_path_factory.mktemp("export")
    shards = write_shards(folder / "shards", 24)
    settings = ("steps=3", "name=card", "data.split=1:train", "loss.order_audio=0", "loss.video_video=0.5")
    Trainer(config(shards, *settings), folder / "run", join_world("cpu")).train()
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))
