"""Gradients added up over parts against the gradient of the whole batch: equal where the maths says so, and only there."""

import pytest
from torch import nn

from tests.train.joint_batch import SETTINGS, Case, batch_of, part_of, same_gradients
from train.config.load import load_config
from train.objective.objective import compute_objective
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer


class Fed(Trainer):
    """A trainer whose batches are parts of one made-up batch; everything after the loader is the real thing."""

    def feed(self, case, parts):
        size = 8 // parts
        self.parts = iter([part_of(batch_of(case), i * size, (i + 1) * size) for i in range(parts)])

    def _objective(self, _batch, generator):
        part = next(self.parts)
        given = self.model(part.clips), part.plan, part.segments, self.bank, self.config
        return compute_objective(*given, use_bank=False, generator=generator)


def gradients(shards, run, case, parts, objective="temporal"):
    """Gradients after one step of the trainer."""
    settings = (
        *SETTINGS, f"data.shards={shards}", "data.split=''", "heldout.split=''", "data.batch_size=4", "data.frame_px=32",
        "data.window_frames=8", "clip.n_frames=4", "clip.crop_px=24", "optim.clip_grad_norm=1000",
    )  # fmt: skip
    config = load_config("sample", [*settings, f"optim.accumulate={parts}"], objective)
    trainer = Fed(config, run, join_world("cpu"))
    without_norms(trainer.model)
    trainer.feed(case, parts)
    trainer._train_step()
    assert next(trainer.parts, None) is None, "each part is drawn, and once"
    assert {int(state["step"]) for state in trainer.optimizer.state.values()} == {1}, "the weights move once"
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}


def without_norms(module):
    """Batch norm makes a row depend on the rows beside it: out of the way."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, nn.Identity())
        else:
            without_norms(child)


@pytest.mark.parametrize(("has_audio", "parts"), [("11011011", 2), ("11111111", 4)])
def test_temporal_terms_over_parts_with_equally_many_labels_give_the_gradient_of_the_whole(
    small_shards, tmp_path, has_audio, parts
):
    case = Case(has_audio=has_audio, order="01202110", timed="11111111")
    whole, added = (gradients(small_shards, tmp_path, case, n) for n in (1, parts))
    assert same_gradients(added, whole)


def test_contrastive_terms_find_their_negatives_in_their_own_part_only(small_shards, tmp_path):
    case = Case(has_audio="11011011", order="01202110", timed="11111111")
    whole, added = (gradients(small_shards, tmp_path, case, n, "without-temporal") for n in (1, 2))
    assert not same_gradients(added, whole)
