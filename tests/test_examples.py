"""The notebooks, and the snippets of README and the tutorials, run on a small sample in the layout of `make demo`."""

import re
import shutil
import signal

import nbformat
import pytest
from nbclient import NotebookClient

from evaluate.__main__ import main as evaluate
from preprocess.__main__ import main as preprocess
from tests.processes import ROOT, run, start
from train.__main__ import main as train

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs/tutorials").glob("*.md")))
ADDRESS = "http://127.0.0.1:8765"
SNIPPETS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with data/sample, shards/sample and runs/sample: few videos, a few steps."""
    root = tmp_path_factory.mktemp("workplace")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert preprocess(["sample", "--out", "data/sample", "--groups", "8", "--clips", "1"]) == 0
        shards = ["--dataset", "ucf101", "--data", "data/sample", "--out", "shards/sample", "--preset", "sample"]
        assert preprocess(["shards", *shards]) == 0
        bank = ("bank.size=64", "bank.negative_rank_low=8", "bank.negative_rank_high=56")
        settings = ("steps=2", "data.batch_size=8", *bank)
        run = ["--run", "runs/sample", "--shards", "shards/sample"]
        assert train(["pretrain", "--preset", "sample", *run, *(word for s in settings for word in ("--set", s))]) == 0
        assert evaluate(["ucf101", *run, "--models", "pretrained,raw"]) == 0
        (root / "archive").mkdir()
        videos = sorted(root.glob("data/sample/*/*.mp4"))
        for video in videos[::40]:
            shutil.copy(video, root / "archive")
        shutil.copy(videos[0], root / "clip.mp4")
        assert evaluate(["index", "archive", "--index", "index/archive"]) == 0
    return root


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path, workplace, monkeypatch):
    monkeypatch.setenv("STEPS", "2")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(workplace)}}).execute()


@pytest.fixture(scope="module")
def served(workplace):
    """The address of a server of the archive, and the environment with its token."""
    environment = {"AVTEMPO_TOKEN": "known"}
    server = start("-m", "evaluate", "serve", "--index", "index/archive", "--port", 0, cwd=workplace, **environment)
    yield server.stdout.readline().removeprefix("open ").partition("/?")[0], environment
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_of_the_docs_runs(code, workplace, request):
    environment = {}
    if ADDRESS in code:
        address, environment = request.getfixturevalue("served")
        code = code.replace(ADDRESS, address)
    code = code.replace('"/archive"', '"archive"').replace('"/videos"', '"data/sample"')
    (workplace / "snippet.py").write_text(code, encoding="utf-8")
    done = run("snippet.py", cwd=workplace, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout
