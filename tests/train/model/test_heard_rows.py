from types import SimpleNamespace

import pytest
import torch

from train.model.heads import _heard_rows


@pytest.mark.parametrize(("heard", "rows"), [([0, 2], [0, 2, 4, 6]), ([1], list(range(8))), ([], list(range(8)))])
def test_silent_rows_pass_only_where_one_segment_or_none_has_audio(heard, rows):
    """Of one segment alone, batch norm would see two views of the same seconds."""
    has_audio = torch.tensor([number in heard for number in range(4)]).repeat(2)
    assert sorted(_heard_rows(SimpleNamespace(has_audio=has_audio, n_heard=len(heard)), 8).tolist()) == rows
