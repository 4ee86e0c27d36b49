"""Shards to encoders: loading, temporal views, objective and trainer.

>>> import train
>>> encoders = train.load_encoders("runs/sample")   # a run, a checkpoint or an export
>>> clips = encoders.embed_file("clip.mp4")
>>> clips.start_seconds, clips.vectors["video/features"]
"""

from typing import TYPE_CHECKING

from store import lazy_exports

if TYPE_CHECKING:
    from train.config.load import load_config
    from train.errors import TrainError
    from train.file_encoder import FileEmbedding, FileEncoder, load_encoders
    from train.run.pretraining import pretrain

__all__ = ["FileEmbedding", "FileEncoder", "TrainError", "load_config", "load_encoders", "pretrain"]
__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FileEmbedding": "train.file_encoder:FileEmbedding",
        "FileEncoder": "train.file_encoder:FileEncoder",
        "TrainError": "train.errors:TrainError",
        "load_config": "train.config.load:load_config",
        "load_encoders": "train.file_encoder:load_encoders",
        "pretrain": "train.run.pretraining:pretrain",
    },
)
