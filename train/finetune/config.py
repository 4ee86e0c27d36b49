"""The configuration of a fine-tuning: what the run says, a preset laid over it, and overrides over both."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from train.config.augment_config import VideoAugmentConfig
from train.config.clip_config import ClipConfig
from train.config.overrides import apply_override, check, lay, read_preset
from train.config.schema import ModelConfig, OptimConfig
from train.config.strict import STRICT
from train.run.checkpoint import LoadedEncoders

PRESETS_DIR = Path(__file__).parent / "presets"

Init = Literal["pretrained", "scratch"]
INITS: tuple[Init, ...] = ("pretrained", "scratch")


@dataclass(frozen=True, config=STRICT)
class FinetuneData:
    """Where labelled segments come from."""

    shards: str = "shards/sample"
    split: str = "1:train"
    """The part that is trained on."""
    batch_size: PositiveInt = 32
    """Segments a rank and step; a clip each."""
    frame_px: PositiveInt = 128
    """Side of the square frames handed over by the loader, before the random crop."""
    num_threads: PositiveInt = 2


@dataclass(frozen=True, config=STRICT)
class FinetuneClip:
    """A clip, played forwards."""

    n_frames: int = 32
    crop_px: PositiveInt = 112
    speed: PositiveInt = 1
    """A clip takes every `speed`-th frame; in a segment too short for that, as many as fit."""

    def __post_init__(self) -> None:
        if self.n_frames < 2:
            raise ValueError("clip.n_frames must be 2 or more")

    @property
    def span_frames(self) -> int:
        """Frames from a clip's first to its last, inclusive."""
        return (self.n_frames - 1) * self.speed + 1

    def for_test(self) -> ClipConfig:
        """The same clip, at any speed up to its own where a segment is short."""
        speeds = tuple(range(1, self.speed + 1))
        return ClipConfig(n_frames=self.n_frames, crop_px=self.crop_px, speeds=speeds, eval_speed=self.speed)


def _mild() -> VideoAugmentConfig:
    """Milder than in pretraining: labels say what is the same, and colour may be a part of it."""
    return VideoAugmentConfig(
        scale_min=0.5, grey_probability=0.0, brightness=0.2, contrast=0.2, saturation=0.2, hue_turns=0.05
    )


@dataclass(frozen=True, config=STRICT)
class HeadConfig:
    """The linear classifier, and what keeps a large network from learning a small training side by heart."""

    dropout: float = 0.5
    """Of the features; UCF101 and HMDB51 have about 95 and 70 training videos a class."""
    label_smoothing: float = 0.1
    """Share of the target that all classes share: the loss has no reward for endless certainty about clips seen often."""
    encoder_lr_fraction: float = 0.1
    """Learning rate of a pretrained encoder, as a share of the classifier's: it starts near where it should end, the
    classifier at random. From scratch both start at random, and both take the whole rate."""


@dataclass(frozen=True, config=STRICT)
class FinetuneConfig:
    """One fine-tuning: of one split, from one start."""

    name: str = "full"
    init: Init = "pretrained"
    encoder_sha256: str = ""
    """Of the pretrained encoders; empty from scratch."""
    seed: int = 0
    steps: PositiveInt = 12_000
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    data: FinetuneData = field(default_factory=FinetuneData)
    clip: FinetuneClip = field(default_factory=FinetuneClip)
    augment: VideoAugmentConfig = field(default_factory=_mild)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as saved with the fine-tuning."""
        return TypeAdapter(FinetuneConfig).dump_python(self, mode="json")

    def to_yaml(self) -> str:
        """YAML of `as_dict`."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)


def finetune_config(
    run: LoadedEncoders, shards: Path, split: str, init: Init, preset: str = "", overrides: Sequence[str] = ()
) -> FinetuneConfig:
    """What the run was trained with, where it matters here; a preset over it; overrides over both.

    Args:
        run: the pretrained encoders. Their architecture has the last word, from scratch too.
        shards: folder of the labelled shards.
        split: number of the split.
        init: what to start from.
        preset: a name in `train/finetune/presets` or a YAML file; by default `tiny` for tiny encoders, else `full`.
        overrides: `key.subkey=value`.

    Raises:
        ConfigError: no such preset, or what it says cannot be a FinetuneConfig.
    """
    config = run.config
    preset = preset or ("tiny" if config.model.video == "tiny" else "full")
    values: dict[str, Any] = {
        "data": {"frame_px": config.data.frame_px, "num_threads": config.data.num_threads},
        "clip": {"crop_px": config.clip.crop_px, "speed": config.clip.eval_speed},
        "optim": {"precision": config.optim.precision, "channels_last": config.optim.channels_last},
    }
    lay(values, read_preset(preset, PRESETS_DIR))
    for override in overrides:
        apply_override(values, override)
    model = TypeAdapter(ModelConfig).dump_python(config.model, mode="json")
    sha256 = run.sha256 if init == "pretrained" else ""
    lay(values, {"init": init, "encoder_sha256": sha256, "data": {"shards": str(shards), "split": f"{split}:train"}})
    return check(FinetuneConfig, values | {"model": model}, preset)
