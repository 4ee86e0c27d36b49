"""The videos of a folder that can take part, with what their containers say."""

import logging
from pathlib import Path

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.protocol import Video
from preprocess.catalogues.folder import open_folder
from preprocess.errors import MediaError
from preprocess.media.probe import probe

logger = logging.getLogger(__name__)


def find_videos(folder: Path) -> tuple[Video, ...]:
    """All videos below a folder, by name; those that cannot be read are named in the log and left out.

    Raises:
        CatalogueError: no such folder, or no videos in it.
        FingerprintError: none of them can be read.
    """
    videos = []
    for source in open_folder(folder, None).sources:
        try:
            info = probe(source.path)
        except MediaError as error:
            logger.warning("left out: %s", error)
            continue
        if info.has_video and info.duration_seconds:
            videos.append(Video(source.name, info.duration_seconds, info.has_audio))
    if not videos:
        raise FingerprintError(f"{folder}: no video that can be read")
    return tuple(videos)
