"""Whole runs on two ranks under torchrun: uneven shares, kill and resume, signals to one rank, another number of ranks."""

import contextlib
import os
import signal
import time

import psutil
import pytest

from tests.processes import start
from tests.train.conftest import write_shards
from tests.train.small_runs import assert_same_end, command, losses, records, saved, train, wait_for_step
from train.errors import RunError

pytestmark = pytest.mark.slow
SECONDS = 600
"""Longest that a run may take, on a busy machine too."""
HELDOUT = ("data.split=1:train", "heldout.split=1:test", "heldout.every=6", "heldout.n_batches=2")


def start_pair(*run_shards_and_settings):
    """Two ranks under torchrun, in a process group of their own."""
    launch = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "--", "train")
    return start("-m", *launch, *command(*run_shards_and_settings))


def rank(torchrun, number):
    """Process id of a rank."""
    return next(
        child.pid for child in psutil.Process(torchrun.pid).children() if child.environ().get("RANK") == str(number)
    )


def end(torchrun):
    """Exit status of torchrun, seconds until it ended, and all that was said; nobody is left behind."""
    since = time.monotonic()
    try:
        said = "".join(torchrun.communicate(timeout=SECONDS))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(torchrun.pid, signal.SIGKILL)
    return torchrun.returncode, time.monotonic() - since, said


@pytest.fixture(scope="module")
def whole(small_shards, tmp_path_factory):
    """An uninterrupted run of 24 steps: it crosses borders of epochs and the end of the bank's warm-up."""
    run = tmp_path_factory.mktemp("whole") / "run"
    status, _, said = end(start_pair(run, small_shards, "steps=24", "checkpoint_every=4", *HELDOUT))
    assert status == 0, said
    return run


def test_two_ranks_leave_one_checkpoint_and_the_main_one_evaluates(whole):
    state = saved(whole)
    assert (state.step, state.world_size, len(state.loaders), int(state.bank["cursor"])) == (24, 2, 2, 24 * 2 * 6)
    assert [s for s, r in records(whole).items() if "heldout/speed_video" in r["metrics"]] == [6, 12, 18, 24]


def test_a_rank_that_is_killed_ends_the_other_and_the_run_goes_on_to_the_same_end(whole, small_shards, tmp_path):
    run, settings = tmp_path / "killed", ("steps=24", "checkpoint_every=4", *HELDOUT)
    pair = start_pair(run, small_shards, *settings)
    wait_for_step(run, 6, SECONDS)
    victim, other = rank(pair, 1), rank(pair, 0)
    os.kill(victim, signal.SIGKILL)
    status, seconds, said = end(pair)
    assert status == 1
    assert seconds < 60, said
    assert not psutil.pid_exists(other)
    assert saved(run).step < 24
    assert saved(run).step % 4 == 0
    with pytest.raises(RunError, match="trained on 2 ranks, not 1: start as many"):
        train(run, small_shards, *settings)  # another number would read other batches
    status, _, said = end(start_pair(run, small_shards, *settings))
    assert status == 0, said
    assert_same_end(run, whole)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_one_rank_or_to_all_stops_all_at_one_step_which_is_saved(whole, small_shards, tmp_path, number):
    run, settings = tmp_path / "stopped", ("steps=24", "checkpoint_every=100", *HELDOUT)
    pair = start_pair(run, small_shards, *settings)
    wait_for_step(run, 3, SECONDS)
    if number == signal.SIGTERM:
        os.kill(rank(pair, 1), number)
    else:  # Ctrl-C: the terminal sends it to torchrun and both ranks, and torchrun to the ranks once more
        os.killpg(pair.pid, number)
    status, seconds, said = end(pair)
    assert status != 0
    assert seconds < 60, said
    assert "stopped by a signal" in said
    assert saved(run).step == max(losses(run)) < 24
    if number == signal.SIGTERM:
        status, _, said = end(start_pair(run, small_shards, *settings))
        assert status == 0, said
        assert_same_end(run, whole)


def test_uneven_shares_end_cleanly(tmp_path):
    shards = write_shards(tmp_path / "shards", 13)  # 6 and 7 segments: one rank's share ends before the other's
    status, _, said = end(start_pair(tmp_path / "even", shards, "steps=7", "data.batch_size=5"))
    assert status == 0, said
    assert saved(tmp_path / "even").step == 7
    assert int(saved(tmp_path / "even").bank["cursor"]) == 7 * 2 * 5
