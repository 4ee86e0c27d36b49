"""The configuration of a run: one frozen dataclass a concern, unknown keys refused. `train.settings` reads it."""

import math
from dataclasses import field
from typing import Any, Literal, Protocol

import yaml
from pydantic import NonNegativeInt, PositiveInt, TypeAdapter
from pydantic.dataclasses import dataclass

from train.distort_config import DistortConfig
from train.strict import STRICT

VideoEncoder = Literal["tiny", "r2plus1d_18", "r3d_18", "s3d"]
AudioEncoder = Literal["tiny", "resnet18"]


@dataclass(frozen=True, config=STRICT)
class DataConfig:
    """Where segments come from and how they reach the device."""

    shards: str = "shards/sample"
    split: str = ""
    """`"1:train"` keeps the sources that official split 1 trains on, `"fold:2,3,4,5"` those of four folds; empty all."""
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
    """Playback speeds; a clip at speed s takes every (s * base_stride)-th frame and every s-th log-mel column."""
    base_stride: PositiveInt = 1
    """Frames from one clip frame to the next at speed 1."""
    views: Literal["anywhere", "same_moment"] = "anywhere"
    """Where the two views of a segment lie: each anywhere, at a speed of its own, or both at one moment, forwards, at
    paces near 1. At one moment nothing is asked about time: for fingerprints."""
    jitter_frames: float = 2.0
    """At one moment: how far a view may start from it, before or behind."""
    pace_max: float = 1.19
    """At one moment: a view plays between 1 / pace_max and pace_max times as fast, log-uniform."""
    shared_direction: bool = True
    """Both views of a segment run forwards, or both backwards. Drawn apart, a contrastive term between the views asks for
    features that cannot tell an event from its reversal."""
    reverse_probability: float = 0.5
    balanced_order: bool = True
    """Place the two views so that each of the three orders is as likely as the others. Where no order is asked they may
    be drawn apart from each other, anywhere in the segment (false)."""
    eval_speed: int = 2

    @property
    def clock_frames(self) -> int:
        """Frames from the first to the last of a clip at speed 1, inclusive."""
        return (self.n_frames - 1) * self.base_stride + 1

    @property
    def shortest_window_frames(self) -> int:
        """Frames that hold one clip: at the lowest speed, or of one moment at any pace."""
        if self.views == "anywhere":
            return self.clock_frames
        return math.ceil((self.clock_frames - 1) * self.pace_max) + 1


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
    mask_columns: int = 0
    """Longest run of log-mel columns that is blanked."""
    mix_max: float = 0.0
    """Largest share of another segment's sound in the mixture; below one half."""
    crop_bands: tuple[float, float] = (1.0, 1.0)
    """Range of the share of mel bands that a crop keeps before it is stretched to all of them; 1 at most is kept."""
    crop_columns: tuple[float, float] = (1.0, 1.0)
    """Range of the share of columns that a crop keeps; above 1 blank columns stand around the sound. It changes the pace:
    not beside `loss.speed_audio`."""
    noise: float = 0.0
    """Largest standard deviation of white noise on the normalised log-mel, whose range is [-2, 2]."""


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """Encoders and the heads on them."""

    video: VideoEncoder = "r2plus1d_18"
    audio: AudioEncoder = "resnet18"
    tiny_width: int = 16
    tiny_audio_stride: PositiveInt = 1
    """Log-mel columns that the tiny audio encoder's first layer steps over; 2 suits hops of 10 ms."""
    tiny_audio_pool: Literal["last", "stages"] = "last"
    """What the tiny audio encoder's features are pooled from: its last stage, or all of them."""
    projection_hidden: int = 512
    projection_dim: int = 128
    head_hidden: int = 512


@dataclass(frozen=True, config=STRICT)
class LossConfig:
    """Weights of the terms; 0 switches one off and saves its computation."""

    temperature: float = 0.1
    video_video: float = 1.0
    video_audio: float = 1.0
    audio_audio: float = 0.0
    """Between the sounds of the two views. Ours, not the paper's: for sources without picture."""
    speed_video: float = 1.0
    speed_audio: float = 1.0
    direction_video: float = 1.0
    direction_audio: float = 1.0
    order_video: float = 1.0
    order_audio: float = 1.0
    order_video_audio: float = 1.0


TEMPORAL_TERMS = (
    "speed_video", "speed_audio", "direction_video", "direction_audio", "order_video", "order_audio",
    "order_video_audio",
)  # fmt: skip
"""Terms that read labels off the plan of the views."""


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
    distort: DistortConfig = field(default_factory=DistortConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    heldout: HeldoutConfig = field(default_factory=HeldoutConfig)

    def __post_init__(self) -> None:
        if self.data.window_frames < self.clip.shortest_window_frames:
            raise ValueError(f"data.window_frames must hold a clip, {self.clip.shortest_window_frames} frames")
        self._check_moments()
        if list(self.clip.speeds) != sorted(set(self.clip.speeds)) or min(self.clip.speeds) < 1:
            raise ValueError("clip.speeds must be rising whole numbers from 1 up")
        if not self.bank.negative_rank_low < self.bank.negative_rank_high <= self.bank.size:
            raise ValueError("bank: negative_rank_low < negative_rank_high <= size must hold")
        if not self.clip.balanced_order and max(
            self.loss.order_video, self.loss.order_audio, self.loss.order_video_audio
        ):
            raise ValueError("clip.balanced_order must be true where a term of order counts (loss.order_*)")
        if not 0 <= self.augment.mix_max < 0.5:
            raise ValueError("augment.mix_max must be below 0.5: a clip's own sound is the louder one")
        for name in ("crop_bands", "crop_columns"):
            low, high = getattr(self.augment, name)
            if not 0 < low <= high:
                raise ValueError(f"augment.{name} must be two rising shares above 0")
        if self.bank.positive_ranks < self.bank.n_positives:
            raise ValueError("bank.n_positives are drawn from bank.positive_ranks ranks: at most as many")

    def _check_moments(self) -> None:
        temporal = [f"loss.{name}" for name in TEMPORAL_TERMS if getattr(self.loss, name) > 0]
        if self.clip.views == "same_moment" and temporal:
            raise ValueError(
                "clip.views: two views of the same moment have no speed, direction or order to tell; set to 0: "
                + ", ".join(temporal)
            )
        if self.clip.pace_max < 1 or self.clip.jitter_frames < 0:
            raise ValueError("clip.pace_max must be at least 1 and clip.jitter_frames at least 0")
        if self.distort.enabled and self.data.frame_px != self.clip.crop_px:
            raise ValueError("distort.enabled shows whole frames: data.frame_px and clip.crop_px must be equal")

    def as_dict(self) -> dict[str, Any]:
        """Plain values (lists, not tuples), as saved with the run."""
        return TypeAdapter(Config).dump_python(self, mode="json")

    def to_yaml(self) -> str:
        """The YAML that `load_config` reads back to an equal Config."""
        return yaml.safe_dump(self.as_dict(), sort_keys=False)
