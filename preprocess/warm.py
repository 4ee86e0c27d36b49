"""Loaded once by the fork server: what every shard's process would otherwise ask the machine anew.

Two starts of ffmpeg and five package descriptions, about 40 ms a shard.
"""

from preprocess.executable import ffmpeg_version
from preprocess.recipe import installed_packages

ffmpeg_version()
installed_packages()
