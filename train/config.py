"""The configuration of a run: one frozen dataclass a concern, YAML presets, overrides, unknown keys refused."""

from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml
from pydantic import ConfigDict, NonNegativeInt, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from train.settings import apply_override, check, lay, preset_names, read_preset, read_yaml

PRESETS_DIR = Path(__file__).parent / "presets"
OBJECTIVES_DIR = Path(__file__).parent / "objectives"
STRICT = ConfigDict(extra="forbid")
"""Unknown settings are refused."""

VideoEncoder = Literal["tiny", "r2plus1d_18", "r3d_18", "s3d"]
AudioEncoder = Literal["tiny", "resnet18"]


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Where segments come from and how they reach the device."""

    shards: str = "shards/sample"
    split: str = ""
    """`"1:train"` keeps the sources that official split 1 trains on; empty keeps all."""
    batch_size: int = 32
    """Segments a rank and step."""
    frame_px: int = 128
    """Side of the square frames handed over by the loader, before the random crop."""
    window_frames: int = 125
    """Frames of a segment handed over; clips are cut out of these."""
    num_threads: int = 2


@dataclass(frozen=True, config=STRICT)
class ClipConfig:
    """A clip: what an encoder sees at once."""

    n_frames: int = 16
    crop_px: int = 112
    speeds: tuple[int, ...] = (1, 2, 4, 8)
    """Playback speeds; a clip at speed s takes every s-th frame."""
    shared_direction: bool = True
    """Both views of a segment run forwards, or both backwards. Drawn apart, a contrastive term between the views asks for
    features that cannot tell an event from its reversal."""
    eval_speed: int = 2


@dataclass(frozen=True, config=STRICT)
class VideoAugmentConfig:
    """Random changes of a training clip's picture, constant over its frames."""

    scale_min: float = 0.4
    """Smallest share of the frame's area that a crop keeps."""
    aspect_max: float = 1.33
    flip_probability: float = 0.5
    grey_probability: float = 0.2
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue_turns: float = 0.1


@dataclass(frozen=True, config=STRICT)
class AugmentConfig(VideoAugmentConfig):
    """Random changes of a training clip, constant over its frames and columns."""

    gain_db: float = 6.0
    """Largest change of loudness, up or down."""
    tilt_db: float = 6.0
    """Largest difference that a random spectral slope makes between the lowest and the highest band."""
    mask_mels: int = 8
    """Widest band that is blanked."""


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """Encoders and the heads on them."""

    video: VideoEncoder = "r2plus1d_18"
    audio: AudioEncoder = "resnet18"
    tiny_width: int = 16
    projection_hidden: int = 512
    projection_dim: int = 128
    head_hidden: int = 512


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """Weights of the terms; 0 switches one off and saves its computation."""

    temperature: float = 0.1
    video_video: float = 1.0
    video_audio: float = 1.0
    speed_video: float = 1.0
    speed_audio: float = 1.0
    direction_video: float = 1.0
    direction_audio: float = 1.0
    order_video: float = 1.0
    order_audio: float = 1.0
    order_video_audio: float = 1.0


@dataclass(frozen=True, config=STRICT)
class BankConfig:
    """Past embeddings, and how extra positives and negatives are drawn from them."""

    size: int = 16_384
    positives: Literal["none", "nearest", "consensus"] = "nearest"
    negatives: Literal["none", "ranked"] = "ranked"
    n_positives: int = 2
    positive_ranks: int = 5
    """Positives are drawn from ranks [0, positive_ranks)."""
    n_negatives: int = 256
    negative_rank_low: int = 64
    negative_rank_high: int = 2048
    """Negatives are drawn from ranks [negative_rank_low, negative_rank_high)."""
    warmup_steps: int = 1000
    """Steps before the bank is drawn from."""


@dataclass(frozen=True, config=STRICT)
class OptimConfig:
    """Optimiser, schedule and precision."""

    lr: float = 3e-4
    weight_decay: float = 1e-4
    warmup_steps: int = 500
    final_lr_fraction: float = 0.02
    clip_grad_norm: float = 5.0
    accumulate: int = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    channels_last: bool = False


class _Data(Protocol):
    """Where a training's segments come from."""

    @property
    def shards(self) -> str:
        """Folder of the shards."""
        ...

    @property
    def batch_size(self) -> int:
        """Segments a rank and batch."""
        ...


class RunConfig(Protocol):
    """What every training's configuration says, pretraining's and fine-tuning's."""

    @property
    def seed(self) -> int:
        """Of all that is random."""
        ...

    @property
    def steps(self) -> int:
        """Steps to train."""
        ...

    @property
    def log_every(self) -> int:
        """Steps from one record of the log to the next."""
        ...

    @property
    def checkpoint_every(self) -> int:
        """Steps from one checkpoint to the next."""
        ...

    @property
    def data(self) -> _Data:
        """Where segments come from."""
        ...

    @property
    def optim(self) -> OptimConfig:
        """Optimiser, schedule and precision."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Plain values (lists, not tuples), as saved with the run."""
        ...

    def to_yaml(self) -> str:
        """The YAML that reads back to an equal configuration."""
        ...


@dataclass(frozen=True, config=STRICT)
class HeldoutConfig:
    """Segments that the training does not see, on which the temporal heads are asked."""

    split: str = ""
    """`"1:test"`, the other part of `data.split`; empty switches this off."""
    every: NonNegativeInt = 0
    """Steps from one evaluation to the next; 0 asks after the last step only."""
    n_batches: PositiveInt = 32
    """Batches of `data.batch_size` segments an evaluation."""


@dataclass(frozen=True, config=STRICT)
class Config:
    """A whole run."""

    name: str = "unnamed"
    objective: str = "whole"
    """Name of the objective laid over the preset: which terms count, and how the bank is used."""
    seed: int = 0
    steps: int = 100_000
    log_every: int = 50
    checkpoint_every: int = 1000
    data: DataConfig = field(default_factory=DataConfig)
    clip: ClipConfig = field(default_factory=ClipConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    heldout: HeldoutConfig = field(default_factory=HeldoutConfig)

    def __post_init__(self) -> None:
        if self.data.window_frames < self.clip.n_frames:
            raise ValueError("data.window_frames must hold at least clip.n_frames frames")
        if list(self.clip.speeds) != sorted(set(self.clip.speeds)) or min(self.clip.speeds) < 1:
            raise ValueError("clip.speeds must be rising whole numbers from 1 up")
        if not self.bank.negative_rank_low < self.bank.negative_rank_high <= self.bank.size:
            raise ValueError("bank: negative_rank_low < negative_rank_high <= size must hold")
        if self.bank.positive_ranks < self.bank.n_positives:
            raise ValueError("bank.n_positives are drawn from bank.positive_ranks ranks: at most as many")

    def as_dict(self) -> dict[str, Any]:
        """Plain values (lists, not tuples), as saved with the run."""
        return TypeAdapter(Config).dump_python(self, mode="json")

    def to_yaml(self) -> str:
        """The YAML that `load_config` reads back to an equal Config."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)


def config_from_dict(values: dict[str, Any], origin: str) -> Config:
    """Check plain values and build the Config.

    Raises:
        ConfigError: an unknown key, a wrong type or a value out of range; every finding is named.
    """
    return check(Config, values, origin)


def load_config(preset_or_path: str | Path, overrides: Sequence[str] = (), objective: str = "whole") -> Config:
    """A preset by name, or a YAML file, an objective laid over it, and `key.subkey=value` overrides over both.

    Args:
        preset_or_path: a name in `train/presets`, or a YAML file.
        overrides: settings that have the last word.
        objective: a name in `train/objectives`: the whole method, a rival's, or the method without one of its terms.
            It only switches off, so that the terms that stay keep the preset's weights.

    Raises:
        ConfigError: no such preset, objective or file, or what it says cannot be a Config.
    """
    values = read_preset(preset_or_path, PRESETS_DIR)
    if objective != "whole":
        known = ", ".join(objective_names())
        lay(values, read_yaml(OBJECTIVES_DIR / f"{objective}.yaml", f"no objective {objective!r}; there are: {known}"))
        values["objective"] = objective
    for override in overrides:
        apply_override(values, override)
    return config_from_dict(values, str(preset_or_path))


def objective_names() -> tuple[str, ...]:
    """All objectives, the whole method first."""
    return ("whole", *preset_names(OBJECTIVES_DIR))
