"""Two real processes against one: the same gradient, terms and bank as with the joint batch."""

import pytest
import torch
from torch.distributed import TCPStore

from tests.processes import start
from tests.train.joint_batch import CASES, bank_of, batch_of, model_of, same_gradients, step


def run_pair(program, *arguments):
    """Two ranks of a program, without torchrun, which would take seconds more to start."""
    # The ranks meet at a server of this process, as under torchrun: nobody else can take its port meanwhile.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    shared = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "OMP_NUM_THREADS": "1",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }  # fmt: skip
    pair = [start("-m", program, *arguments, **shared, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in (0, 1)]
    said = [process.communicate(timeout=600)[1] for process in pair]
    return [process.returncode for process in pair], said


@pytest.fixture(scope="module")
def halves(tmp_path_factory):
    """What each rank found with its half of each case."""
    folder = tmp_path_factory.mktemp("halves")
    codes, said = run_pair("tests.train.joint_batch", folder)
    assert codes == [0, 0], "\n".join(said)
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("name", CASES)
def test_two_ranks_give_the_gradient_the_terms_and_the_bank_of_the_joint_batch(halves, name):
    case = CASES[name]
    model, bank = model_of(case.config()), bank_of(case.config())
    joint = step(case, batch_of(case), model, model, bank)
    for half in (rank[name] for rank in halves):
        assert same_gradients(half["gradients"], joint["gradients"])
        assert half["terms"] == pytest.approx(joint["terms"], rel=1e-5, abs=1e-5)
        for key, wanted in joint["bank"].items():
            assert torch.allclose(half["bank"][key].float(), wanted.float(), rtol=0, atol=1e-5), key


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["dies", "hangs", "fails"])
def test_a_rank_that_dies_hangs_or_fails_is_reported_by_the_other(fate):
    codes, (first, second) = run_pair("tests.train.lost_peer", fate)
    assert codes[0] == 0, first
    seconds, _, message = first.strip().splitlines()[-1].partition(" ")
    if fate == "fails":
        assert message == "stopped with rank 1, which says: its disk is full"
        assert second.strip().endswith("its disk is full")
        assert codes[1] == 0
    else:
        assert message.startswith("rank 0 lost another rank (")
        assert "start again" in message.lower()
        assert codes[1] == 9
        assert float(seconds) < 30
