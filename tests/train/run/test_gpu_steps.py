"""Training steps on a GPU beside those on the CPU; precision and resume there."""

import pytest
import torch

from tests.train.small_runs import DEVICE, losses, needs_gpu, saved, stop_in_step, trainer
from train.run import pretraining
from train.views.training_clips import plain_clips

pytestmark = needs_gpu

ALL_DRAWN = ("bank.warmup_steps=0", "bank.positive_ranks=1", "bank.n_negatives=24")
"""All ranks that the bank may draw from are drawn: nothing is left to chance, which differs between devices."""


@pytest.mark.parametrize("encoder", ["tiny", "r2plus1d_18"])
def test_a_step_in_fp32_gives_the_losses_gradients_and_bank_of_the_cpu(small_shards, tmp_path, monkeypatch, encoder):
    def plain(batch, config, params, _generator):
        return plain_clips(batch, config.clip, params.columns_per_frame)

    monkeypatch.setattr(pretraining, "make_clips", plain)
    settings = (*ALL_DRAWN, f"model.video={encoder}")
    made = [trainer(tmp_path / device, small_shards, *settings, device=device) for device in ("cpu", DEVICE)]
    batches, steps = [next(made[0].loader) for _ in range(8)], []
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for each in made:
            for batch in batches[1:]:  # the bank is full enough for all of its ranks
                with torch.no_grad():
                    each._objective(batch, torch.Generator(each.world.device).manual_seed(0))
            each.loader = iter([batches[0]])
            steps.append(each._train_step()[0])
    for name, term in steps[0].terms.items():
        assert float(steps[1].terms[name].detach()) == pytest.approx(float(term.detach()), rel=1e-3, abs=1e-3), name
    assert torch.allclose(made[0].bank.video, made[1].bank.video.cpu(), atol=1e-3)
    if encoder != "tiny":  # its ReLUs near 0 enlarge rounding: a CPU's own gradients differ by 1 % without oneDNN
        return
    cpu, gpu = ({n: p.grad.cpu() for n, p in each.model.named_parameters() if p.grad is not None} for each in made)
    assert cpu.keys() == gpu.keys()
    scale = max(float(gradient.abs().max()) for gradient in cpu.values())
    for name, gradient in cpu.items():
        assert float((gradient - gpu[name]).abs().max()) < 1e-3 * scale, name


def test_bf16_trains_near_fp32(small_shards, tmp_path):
    for precision in ("fp32", "bf16"):
        settings = ("steps=6", f"optim.precision={precision}", "optim.lr=0.0001", "model.tiny_width=16")
        assert trainer(tmp_path / precision, small_shards, *settings, device=DEVICE).train()
    full, half = losses(tmp_path / "fp32"), losses(tmp_path / "bf16")
    for step, loss in full.items():
        assert half[step] == pytest.approx(loss, rel=0.1)
        assert half[step] != loss


def test_a_resumed_run_goes_on_as_the_uninterrupted_one(small_shards, tmp_path):
    assert trainer(tmp_path / "whole", small_shards, "steps=10", device=DEVICE).train()
    half = trainer(tmp_path / "half", small_shards, "steps=10", device=DEVICE)
    stop_in_step(half, 6)
    assert half.train() is False
    assert trainer(tmp_path / "half", small_shards, "steps=10", device=DEVICE).train()
    whole, resumed = losses(tmp_path / "whole"), losses(tmp_path / "half")
    assert list(resumed) == list(whole)
    for step, loss in whole.items():  # a GPU adds in no fixed order, which ten steps enlarge
        assert resumed[step] == pytest.approx(loss, rel=0.02), step
    assert torch.equal(saved(tmp_path / "half").bank["source"].cpu(), saved(tmp_path / "whole").bank["source"].cpu())
