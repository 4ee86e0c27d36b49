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
