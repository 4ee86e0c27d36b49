"""A few pictures of a span of a file, by seeking: a three-hour reference is not decoded for eight of its frames."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preprocess.errors import MediaError
from preprocess.media.media_info import Limits
from preprocess.media.probe import ALLOWED_FORMATS, open_source

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT_PX = 56
MAX_WIDTH_PX = 100
JPEG_QUALITY = 60


def still_uris(path: Path, seconds: Sequence[float]) -> list[str]:
    """JPEG data URIs of the pictures at these seconds; "" where there is none, all of them where the file is gone."""
    import av

    options = {"format_whitelist": ALLOWED_FORMATS, "protocol_whitelist": "file"}
    try:
        with (
            open_source(path, Limits()) as file,
            av.open(file, options=options, metadata_errors="replace") as container,
        ):
            return [_uri(_picture(container, second)) for second in seconds]
    except (MediaError, av.error.FFmpegError, OSError, ValueError):
        return [""] * len(seconds)


def _picture(container: Any, second: float) -> "Image | None":
    """The first picture at or after a second, else the last one before it."""
    import av

    if not container.streams.video:
        return None
    stream = container.streams.video[0]
    start = float((stream.start_time or 0) * stream.time_base)
    container.seek(int(max(0.0, start + second) * av.time_base))
    frame = None
    for frame in container.decode(stream):
        if frame.time is None or frame.time >= start + second - 0.02:
            break
    return None if frame is None else frame.to_image()


def _uri(picture: "Image | None") -> str:
    if picture is None:
        return ""
    picture.thumbnail((MAX_WIDTH_PX, HEIGHT_PX))
    data = io.BytesIO()
    picture.convert("RGB").save(data, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
