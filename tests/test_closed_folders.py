"""A folder that is closed to this user ends a command of any stage with a line that names it, and status 2."""

import pytest

from evaluate.__main__ import main as evaluate
from preprocess.__main__ import main as preprocess
from train.__main__ import main as train


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (preprocess, ("verify", "{shards}")),
        (train, ("pretrain", "--run", "{run}", "--shards", "{shards}")),
        (evaluate, ("embed", "--run", "{shards}", "--shards", "{shards}")),
    ],
)
def test_it_is_named_with_the_remedy(main, words, tmp_path, capsys, nobody):
    closed = tmp_path / "closed"
    (closed / "shards").mkdir(parents=True)

    def status(shards):
        return main([word.format(shards=shards, run=tmp_path / "run") for word in words])

    assert status(tmp_path / "none") == 2  # loads modules, which nobody may not be allowed to read
    capsys.readouterr()
    closed.chmod(0)
    with nobody():
        assert status(closed / "shards") == 2
    closed.chmod(0o700)
    said = " ".join(capsys.readouterr().err.split())
    assert "Permission denied" in said and f"{closed}/shards" in said and "change its owner or mode" in said
