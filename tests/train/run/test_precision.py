"""Mixed precision on real shards: it trains, near to full precision, and the feature space stays in fp32."""

import math

import torch

from tests.train.run.test_pretraining import config
from train.ranks.distributed import join_world
from train.run.pretraining import Trainer


def train(shards, run, precision, steps=6):
    """Losses of the steps, what the model put out, and the trainer.

    The rate is low: AdamW moves a weight by the sign of a gradient near 0 too, and these networks are few steps old.
    """
    settings = (f"steps={steps}", f"optim.precision={precision}", "optim.lr=0.0001", "model.tiny_width=16")
    trainer = Trainer(config(shards, *settings), run, join_world("cpu"))
    outputs, losses = [], []
    trainer.model.register_forward_hook(lambda _model, _clips, output: outputs.append(output))
    real = trainer._objective
    trainer._objective = lambda *given: losses.append(real(*given)) or losses[-1]
    assert trainer.train()
    return losses, outputs, trainer


def test_bf16_trains_near_fp32_and_keeps_embeddings_losses_and_the_bank_in_fp32(small_shards, tmp_path):
    full, _, _ = train(small_shards, tmp_path / "fp32", "fp32")
    half, outputs, trainer = train(small_shards, tmp_path / "bf16", "bf16")
    assert all(math.isfinite(float(o.total.detach())) for o in half)
    for a, b in zip(half, full, strict=True):
        assert abs(float(a.total) - float(b.total)) < 0.1 * float(b.total)
    assert {x.dtype for o in outputs for x in o.logits.values()} == {torch.bfloat16}  # it is on at all
    for output in outputs:
        for embedding in output.embeddings.vectors.values():
            assert embedding.dtype == torch.float32
            norms = embedding.norm(dim=1)[embedding.any(dim=1)]
            assert torch.allclose(norms, torch.ones_like(norms), atol=1e-6)  # bf16 would be off by 1e-3
    assert {o.total.dtype for o in half} == {x.dtype for o in half for x in o.terms.values()} == {torch.float32}
    assert trainer.bank.video.dtype == trainer.bank.audio.dtype == torch.float32
    assert {p.dtype for p in trainer.model.parameters()} == {torch.float32}
    filled = trainer.bank.video[trainer.bank.source >= 0]
    assert len(filled) == 36
    assert torch.allclose(filled.norm(dim=1), torch.ones(36), atol=1e-6)
