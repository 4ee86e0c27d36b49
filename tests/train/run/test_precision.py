"""Mixed precision on real shards: it trains, near to full precision, and the feature space stays in fp32."""

import torch

from tests.train.small_runs import trainer


def train(shards, run, precision):
    """Objectives of six steps, the model's outputs, and the trainer.

    The rate is low: AdamW moves a weight by the sign of a gradient near 0 too, and these networks are few steps old.
    """
    settings = ("steps=6", f"optim.precision={precision}", "optim.lr=0.0001", "model.tiny_width=16")
    training = trainer(run, shards, *settings)
    outputs, objectives = [], []
    training.model.register_forward_hook(lambda _model, _clips, output: outputs.append(output))
    real = training._objective
    training._objective = lambda *given: objectives.append(real(*given)) or objectives[-1]
    assert training.train()
    return objectives, outputs, training


def test_bf16_trains_near_fp32_and_keeps_embeddings_losses_and_the_bank_in_fp32(small_shards, tmp_path):
    full, _, _ = train(small_shards, tmp_path / "fp32", "fp32")
    half, outputs, training = train(small_shards, tmp_path / "bf16", "bf16")
    for a, b in zip(half, full, strict=True):
        assert abs(float(a.total.detach()) - float(b.total.detach())) < 0.1 * float(b.total.detach())
    assert {x.dtype for o in outputs for x in o.logits.values()} == {torch.bfloat16}  # it is on at all
    filled = training.bank.video[training.bank.source >= 0]
    assert len(filled) == 36
    for vectors in (filled, *(x for o in outputs for x in o.embeddings.values())):
        assert vectors.dtype == torch.float32
        norms = vectors.norm(dim=1)[vectors.any(dim=1)]
        assert torch.allclose(norms, torch.ones_like(norms), atol=1e-6)  # bf16 would be off by 1e-3
    assert {o.total.dtype for o in half} == {x.dtype for o in half for x in o.terms.values()} == {torch.float32}
    assert {p.dtype for p in training.model.parameters()} == {torch.float32}
