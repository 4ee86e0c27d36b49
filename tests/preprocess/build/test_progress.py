"""What a run tells of how far it is."""

from preprocess.build.progress import LogProgress, Tally
from preprocess.build.shard_task import ShardProgress


def test_tally_replaces_earlier_reports_of_a_shard():
    tally = Tally(n_total=20, n_done_before=4, n_failed_before=1)
    tally.add(ShardProgress(0, n_done=2, n_failed=1, n_segments=4, media_seconds=20.0))
    tally.add(ShardProgress(0, n_done=1, n_failed=0, n_segments=2, media_seconds=10.0))  # started again
    tally.add(ShardProgress(1, n_done=5, n_segments=5, media_seconds=50.0))
    tally.add(ShardProgress(0, n_done=5, n_failed=0, n_segments=10, media_seconds=50.0, is_finished=True))
    snapshot = tally.snapshot()
    assert (snapshot.n_done, snapshot.n_failed) == (14, 1)
    assert snapshot.seconds_left is not None
    assert snapshot.clips_per_second > 0


def test_log_progress_writes_a_line(caplog):
    tally = Tally(n_total=2, n_done_before=0, n_failed_before=0)
    with caplog.at_level("INFO"), LogProgress(every_seconds=60) as progress:
        progress.show(tally.snapshot())
        tally.add(ShardProgress(0, n_done=2, is_finished=True))
        progress.show(tally.snapshot())
    assert [record.message.split(",")[0] for record in caplog.records] == ["2/2 sources"]
