"""Gradients added up over parts against the gradient of the whole batch: equal where the maths says so, and only there."""

import pytest
from torch import nn

from tests.train.joint_batch import SETTINGS, Case, batch_of, part_of, same_gradients
from train.config.load import load_config
from train.objective.objective import compute_objective
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer

EVEN = Case(has_audio="11011011", order="01202110", timed="11111111")
"""As many clips with audio and as many order labels in the first half as in the second."""


class Fed(Trainer):
    """A trainer whose batches are parts of one made-up batch; everything after the loader is the real thing."""

    def feed(self, case, parts):
        size = 8 // parts
        self.parts = [part_of(batch_of(case), i * size, (i + 1) * size) for i in range(parts)]
        self.found = []

    def _objective(self, _batch, generator):
        part = self.parts[len(self.found)]
        objective = compute_objective(
            self.model(part.clips), part.plan, part.segments, self.bank, self.config, use_bank=False,
            generator=generator,
        )  # fmt: skip
        self.found.append({name: float(value.detach()) for name, value in objective.terms.items()})
        return objective


def step(shards, run, case, parts, objective):
    """Gradients after one step of the trainer, and the terms of each of its parts."""
    settings = (
        *SETTINGS, f"data.shards={shards}", "data.split=''", "heldout.split=''", "data.batch_size=4", "data.frame_px=32",
        "data.window_frames=8", "clip.n_frames=4", "clip.crop_px=24", "optim.clip_grad_norm=1000",
    )  # fmt: skip
    config = load_config("sample", [*settings, f"optim.accumulate={parts}"], objective)
    trainer = Fed(config, run, join_world("cpu"))
    without_norms(trainer.model)
    trainer.feed(case, parts)
    trainer._train_step()
    return {name: p.grad for name, p in trainer.model.named_parameters() if p.grad is not None}, trainer.found


def without_norms(module):
    """Batch norm makes a row depend on the rows beside it: out of the way."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(module, name, nn.Identity())
        else:
            without_norms(child)


@pytest.mark.parametrize(
    ("case", "parts"), [(EVEN, 2), (Case(has_audio="11111111", order="01202110", timed="11111111"), 4)]
)
def test_temporal_terms_over_parts_with_equally_many_labels_give_the_gradient_of_the_whole(
    small_shards, tmp_path, case, parts
):
    whole, _ = step(small_shards, tmp_path, case, 1, "temporal")
    added, _ = step(small_shards, tmp_path, case, parts, "temporal")
    assert same_gradients(added, whole)


def test_contrastive_terms_find_their_negatives_in_their_own_part_only(small_shards, tmp_path):
    whole, (joint,) = step(small_shards, tmp_path, EVEN, 1, "without-temporal")
    added, parts = step(small_shards, tmp_path, EVEN, 2, "without-temporal")
    for name, value in joint.items():  # every anchor loses negatives, and nothing else changes
        assert value > sum(part[name] for part in parts) / 2 + 0.1, name
    assert not same_gradients(added, whole)
