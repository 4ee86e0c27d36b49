"""The state of a long command in words."""

from preprocess.progress import Progress


def test_without_a_terminal_a_line_comes_every_few_seconds_and_at_the_end(caplog, monkeypatch):
    with caplog.at_level("INFO"), Progress("sources") as progress:
        progress.show(4, 20)
        with monkeypatch.context() as patched:
            patched.setattr("preprocess.progress.LINE_EVERY_SECONDS", 0.0)
            progress.show(5, 20)
        progress.show(12, 20, "1 failed")
    assert [message.split(", ")[0] for message in caplog.messages] == ["sources 5/20", "sources 12/20"]
    assert "/s, 1 failed, " in caplog.messages[1]
