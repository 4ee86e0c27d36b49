import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from evaluate.archive.duplicates import find_duplicates
from evaluate.fingerprint.api import Index
from evaluate.server.app import make_app
from evaluate.server.settings import ServerSettings
from tests.evaluate.archive.conftest import write_pieces
from tests.preprocess.made_media import run_ffmpeg
from tests.processes import start, wait_for

TOKEN = "a-token"  # noqa: S105
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HOST = "http://localhost"


@dataclass(frozen=True)
class Made:
    """A folder with an archive of videos, and its index."""

    root: Path

    @property
    def videos(self):
        return self.root / "videos"

    @property
    def index(self):
        return self.root / "index"

    def settings(self, **changes):
        return ServerSettings(self.index, TOKEN, **changes)

    @contextlib.contextmanager
    def client(self, headers=BEARER, **changes):
        with TestClient(make_app(self.settings(**changes)), HOST, headers=headers) as client:
            yield client


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """An archive that no test changes, with a list of its copies.

    Five videos of 8 s; a smaller copy, a part in Matroska, one in a codec that browsers do not play; torn.mp4 is no video.
    """
    made = Made(tmp_path_factory.mktemp("served"))
    (made.videos / "web").mkdir(parents=True)
    for number in range(5):
        write_pieces(made.videos / f"{number}.mp4", (number, 8.0))
    coding = ["-c:v", "libx264", "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    run_ffmpeg("-i", made.videos / "0.mp4", "-vf", "scale=96:64", *coding, made.videos / "web/small.mp4")
    run_ffmpeg("-ss", 2, "-i", made.videos / "1.mp4", "-t", 5, *coding, made.videos / "web/part.mkv")
    run_ffmpeg("-i", made.videos / "2.mp4", "-c:v", "mpeg4", "-q:v", 3, "-c:a", "mp3", made.videos / "web/old.avi")
    (made.videos / "torn.mp4").write_bytes(b"torn" * 100)
    index = Index.open(made.index)
    index.add(made.videos)
    find_duplicates(index)
    return made


@pytest.fixture
def own(made, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(made.videos, tmp_path / "videos")
    shutil.copytree(made.index, tmp_path / "index")
    Index.open(tmp_path / "index").add(tmp_path / "videos")
    return Made(tmp_path)


@pytest.fixture(scope="module")
def client(made):
    with made.client() as client:
        yield client


@pytest.fixture(scope="module")
def ids(client):
    """Name of a source -> its id."""
    return {each["name"]: each["id"] for each in client.get("/api/sources").json()["sources"]}


@contextlib.contextmanager
def serving(index, *words):
    """A server of its own process: a client of it, and the process."""
    server = start("-m", "evaluate", "serve", "--index", index, "--port", 0, *words, AVTEMPO_TOKEN=TOKEN)
    try:
        address, is_told, _ = server.stdout.readline().removeprefix("open ").partition("/?token=")
        assert is_told, server.stderr.read()
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(base_url=address, headers=BEARER, timeout=60, limits=limits) as client:
            wait_for(lambda: answers(client))
            yield client, server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, 9)
        server.communicate()


def answers(client):
    """Whether the server answers."""
    with contextlib.suppress(httpx2.HTTPError):
        return client.get("/api/status", timeout=5).status_code == 200
