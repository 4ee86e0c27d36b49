"""Loaded once by the fork server: what every shard's process would otherwise ask the machine anew.

Two starts of ffmpeg and five package descriptions, about 40 ms a shard.
"""

import contextlib

from preprocess.errors import FfmpegMissingError
from preprocess.media.ffmpeg import ffmpeg_version
from preprocess.shards.recipe import installed_packages

# An error would end the fork server without a word; every shard meets it again and says so.
with contextlib.suppress(FfmpegMissingError):
    ffmpeg_version()
installed_packages()
