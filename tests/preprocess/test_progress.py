"""The state of a long command in words."""

from preprocess.progress import Progress


def test_without_a_terminal_the_last_state_is_logged(caplog):
    with caplog.at_level("INFO"), Progress("sources") as progress:
        progress.show(4, 20)  # of an earlier run: does not count as speed
        progress.show(12, 20, "1 failed")
    (record,) = caplog.records
    assert record.message.startswith("sources 12/20, ")
    assert "/s, 1 failed, " in record.message
    assert record.message.endswith("s left")


def test_lines_come_every_few_seconds(caplog, monkeypatch):
    monkeypatch.setattr("preprocess.progress.LINE_EVERY_SECONDS", 0.0)
    with caplog.at_level("INFO"), Progress("files") as progress:
        for done in range(3):
            progress.show(done, 3)
    assert [record.message.split(",")[0] for record in caplog.records] == ["files 0/3", "files 1/3", "files 2/3"]
