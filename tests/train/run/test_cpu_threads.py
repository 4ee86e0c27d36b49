"""Torch leaves the decoder its cores while both have work, and takes them back."""

import pytest
import torch

from train.run.cpu_threads import reserve_cores_for_loader


@pytest.mark.parametrize(("spared", "left"), [(1, 2), (2, 1), (9, 1)])
def test_threads_are_left_to_the_decoder_and_come_back_whatever_happens(spared, left):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with pytest.raises(ZeroDivisionError), reserve_cores_for_loader(spared, torch.device("cpu")):
            assert torch.get_num_threads() == left
            raise ZeroDivisionError
        assert torch.get_num_threads() == 3
        with reserve_cores_for_loader(spared, torch.device("cuda")):
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
