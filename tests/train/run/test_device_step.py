"""A training step as an accelerator gets it, on tensors without data: one device, no waiting, the same calls for any batch.

Torch cannot run the backward pass of fake CUDA tensors without a GPU, so the device is "meta". Its tensors have no values:
whatever a GPU would make the host wait for (`.item()`, `.tolist()`, `.cpu()`, `nonzero`, a mask as an index) is an error.
"""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.train.conftest import SMALL, write_shards
from tests.train.finetune.test_finetune import finetuner
from tests.train.small_runs import trainer
from train.config.schema import TEMPORAL_TERMS, TERMS
from train.ranks.distributed import World
from train.views.augment_video import _yiq

META = torch.device("meta")
CONSENSUS = ["bank.warmup_steps=0", "bank.positives=consensus", "optim.channels_last=true"]
DISTORTED = [f"loss.{name}=0" for name in TEMPORAL_TERMS] + [
    "clip.views=same_moment", "distort.enabled=true", "data.frame_px=24", "loss.audio_audio=1",
]  # fmt: skip
HEARD = [f"loss.{name}=0" for name in TERMS if "video" in name] + [
    "loss.audio_audio=1", "augment.mix_max=0.4", "augment.crop_bands=[0.6, 1.5]", "augment.noise=0.1",
    "augment.mask_columns=3",
]  # fmt: skip


class Watch(TorchDispatchMode):
    """Counts calls; collects those that mix devices, and copies from one to another, for which a host waits."""

    def __init__(self):
        super().__init__()
        self.n_calls, self.mixed, self.copies = 0, [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n_calls += 1
        # A CPU scalar beside tensors of a GPU is a number that goes with the call.
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        kinds = {x.device.type for x in given if x.ndim or x.device == META}
        result = func(*args, **(kwargs or {}))
        if len(kinds) > 1:
            self.mixed.append(str(func))
        if str(func) in ("aten._to_copy.default", "aten.copy_.default") and result.device != given[-1].device:
            self.copies.append(str(func))
        return result


class Literals(TorchFunctionMode):
    """Collects tensors made of Python values on the device: a copy that the dispatcher does not show."""

    def __init__(self, copies):
        super().__init__()
        self.copies = copies

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.tensor, torch.as_tensor) and (kwargs or {}).get("device", "cpu") == META:
            self.copies.append(func.__name__)
        return func(*args, **(kwargs or {}))


def watched_step(training, monkeypatch):
    batch = next(training.loader)
    assert 2 <= batch.n_heard < len(batch)
    training.world = World(0, 1, META)
    training.model.to(META)
    if hasattr(training, "bank"):
        training.bank.to(META)
    training.optimizer = torch.optim.AdamW(training.model.parameters())
    training.loader = iter([batch.to(META)] * 2)
    cpu_generator = torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda device: cpu_generator())  # meta has none, and takes the CPU's
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    training._train_step()  # a constant may be copied to a device once
    with Watch() as watch, Literals(watch.copies):
        training._train_step()
    _yiq.cache_clear()
    return watch


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("sounds") / "shards", 24, replace(SMALL, media="audio"))


MAKERS = {
    "whole method": lambda run, size, video, _: trainer(run, video, size, "bank.warmup_steps=0"),
    "consensus": lambda run, size, video, _: trainer(run, video, size, *CONSENSUS),
    "distorted": lambda run, size, video, _: trainer(run, video, size, *DISTORTED),
    "audio alone": lambda run, size, _, audio: trainer(run, audio, size, *HEARD),
    "fine-tuning": lambda run, size, video, _: finetuner(
        video, run, data={"batch_size": int(size.split("=")[1]), "frame_px": 32}
    ),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_step_keeps_to_its_device_never_waits_and_makes_the_same_calls_for_any_batch(
    kind, small_shards, sounds, tmp_path, monkeypatch
):
    n_calls = []
    for size in (6, 12):
        with monkeypatch.context() as patched:
            made = MAKERS[kind](tmp_path / str(size), f"data.batch_size={size}", small_shards, sounds)
            watch = watched_step(made, patched)
        assert watch.mixed == []
        assert watch.copies == []
        n_calls.append(watch.n_calls)
    assert n_calls[0] == n_calls[1] > 100
