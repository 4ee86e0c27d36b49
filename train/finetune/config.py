"""The configuration of a fine-tuning: settings of the run, a preset laid over them, and overrides over both."""

from collections.abc import Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveInt
from pydantic.dataclasses import dataclass

from train.config import STRICT
from train.config.augment_config import VideoAugmentConfig
from train.config.clip_config import ClipConfig
from train.config.load import check, merge_settings, preset_path
from train.config.schema import ModelConfig, OptimConfig, RunConfig, Seed, SegmentsConfig
from train.run.checkpoint import LoadedEncoders

PRESETS_DIR = Path(__file__).parent / "presets"

Init = Literal["pretrained", "scratch"]
INITS: tuple[Init, ...] = ("pretrained", "scratch")


@dataclass(frozen=True, config=STRICT)
class FinetuneData(SegmentsConfig):
    """Labelled segments: the part to train on, one clip each."""

    split: str = "1:train"


@dataclass(frozen=True, config=STRICT)
class FinetuneClip:
    """A clip, played forwards."""

    n_frames: Annotated[int, Field(ge=2)] = 32
    crop_px: PositiveInt = 112
    speed: PositiveInt = 1
    """A clip takes every `speed`-th frame; a segment too short for that gives a clip of a lower speed."""

    @property
    def span_frames(self) -> int:
        """Frames that a clip spans, from its first to its last."""
        return (self.n_frames - 1) * self.speed + 1

    def for_test(self) -> ClipConfig:
        """Give the same clip for the test, at a lower speed where a segment is short."""
        speeds = tuple(range(1, self.speed + 1))
        return ClipConfig(n_frames=self.n_frames, crop_px=self.crop_px, speeds=speeds, eval_speed=self.speed)


def _mild() -> VideoAugmentConfig:
    """Augment less than pretraining does: labels say what is the same, and colour may be a part of that."""
    return VideoAugmentConfig(
        scale_min=0.5, grey_probability=0.0, brightness=0.2, contrast=0.2, saturation=0.2, hue_turns=0.05
    )


@dataclass(frozen=True, config=STRICT)
class HeadConfig:
    """The linear classifier, and the regularisation against overfitting of a large network on a small training part."""

    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Dropout on the features; UCF101 and HMDB51 have about 95 and 70 training videos per class."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the target that is spread over all classes: the loss does not reward growing certainty about seen clips."""
    encoder_lr_fraction: NonNegativeFloat = 0.1
    """Learning rate of a pretrained encoder relative to the classifier's: the encoder starts near its end, the classifier
    at random. From scratch both start at random, and both take the whole rate."""


@dataclass(frozen=True, config=STRICT)
class FinetuneConfig(RunConfig):
    """One fine-tuning: of one split, from one start."""

    name: str = "full"
    init: Init = "pretrained"
    encoder_sha256: str = ""
    """Of the pretrained encoders; empty from scratch."""
    seed: Seed = 0
    steps: PositiveInt = 12_000
    log_every: PositiveInt = 20
    checkpoint_every: PositiveInt = 500
    data: FinetuneData = field(default_factory=FinetuneData)
    clip: FinetuneClip = field(default_factory=FinetuneClip)
    augment: VideoAugmentConfig = field(default_factory=_mild)
    model: ModelConfig = field(default_factory=ModelConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        self.model.refuse_small(self.clip.n_frames, self.clip.crop_px)
        if self.data.frame_px < self.clip.crop_px:
            raise ValueError("clip.crop_px is cut out of data.frame_px: it must not be larger")


def finetune_config(
    run: LoadedEncoders, shards: Path, split: str, init: Init, preset: str = "", overrides: Sequence[str] = ()
) -> FinetuneConfig:
    """Take the run's settings as far as they matter here, lay a preset over them, and overrides over both.

    Args:
        run: the pretrained encoders. Their architecture cannot be overridden, from scratch either.
        shards: folder of the labelled shards.
        split: number of the split.
        init: the start.
        preset: a name in `train/finetune/presets` or a YAML file; by default `tiny` for tiny encoders, else `full`.
        overrides: `key.subkey=value`.

    Raises:
        ConfigError: no such preset, or its settings are not accepted.
    """
    config = run.config
    preset = preset or ("tiny" if config.model.video == "tiny" else "full")
    of_run = {
        "data": {"frame_px": config.data.frame_px, "num_threads": config.data.num_threads},
        "clip": {"crop_px": config.clip.crop_px, "speed": config.clip.eval_speed * config.clip.base_stride},
        "optim": {"precision": config.optim.precision, "channels_last": config.optim.channels_last},
    }
    fixed = {
        "init": init, "encoder_sha256": run.sha256 if init == "pretrained" else "", "model": asdict(config.model),
        "data": {"shards": str(shards), "split": f"{split}:train"},
    }  # fmt: skip
    return check(FinetuneConfig, merge_settings(of_run, preset_path(preset, PRESETS_DIR), *overrides, fixed), preset)
