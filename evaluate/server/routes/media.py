"""Routes of media: files with ranges, or copies that browsers play; film strips and waveforms."""

import io
import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from PIL import Image
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from evaluate.archive.keep import MediaFacts
from evaluate.fingerprint.describe.image import read_image
from evaluate.server.problems import CrashedError, RefusedError, described
from evaluate.server.state.copies import AS_PERMITTED
from evaluate.server.state.parts import GivenParts, Parts, PartsInTurn
from evaluate.server.state.queries import is_image
from preprocess.errors import MediaError
from preprocess.features.strip import encode_planes
from preprocess.media.media_info import MediaInfo
from preprocess.media.planes import split
from preprocess.media.probe import open_source
from preprocess.schema import ShardParams
from preprocess.viewing.audio_part import peaks
from preprocess.viewing.playable import EXCERPT_SECONDS, Playback, Plays
from preprocess.viewing.stills import stills

STRIP, STILL = ShardParams(short_side_px=64), ShardParams(short_side_px=352)
JPEG_QUALITY = 70
GREY = 128
STARTS_SECONDS = 60
"""Excerpts start at whole minutes, so that few copies serve many spans."""
SHORT_CACHE = {"Cache-Control": "private, max-age=600"}
Seconds = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_KINDS = {"video/*": _BINARY, "audio/*": _BINARY}
_PLAYED: dict[int | str, dict[str, Any]] = {
    200: {"content": _KINDS},
    206: {"content": {**_KINDS, "multipart/byteranges": _BINARY}, "description": "Ranges"},
}


class _OpenFile(FileResponse):
    """Sends a file that was opened once, whatever its name leads to since; if it is changed meanwhile, the answer breaks off."""

    def __init__(self, path: Path, media_type: str) -> None:
        with ExitStack() as held:
            descriptor = held.enter_context(open_source(path, AS_PERMITTED)).fileno()
            self._descriptor, self._status = descriptor, os.fstat(descriptor)
            super().__init__(
                f"/proc/self/fd/{descriptor}", media_type=media_type, stat_result=self._status,
                headers={"Cache-Control": "private, no-cache"},
            )  # fmt: skip
            self._held = held.pop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it as long as it stays as it was: its length is promised; HTTPException for ranges that it does not have."""

        async def send_unchanged(message: Message) -> None:
            now, then = os.fstat(self._descriptor), self._status
            if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
                raise MediaError(Path(self.path), "was changed while it was sent")
            if message.get("status") in (400, 416):  # which Starlette would answer in plain text
                words = f"no such range of {then.st_size} bytes; ask for `Range: bytes=FIRST-LAST`"
                raise HTTPException(message["status"], words, {"Content-Range": f"bytes */{then.st_size}"})
            await send(message)

        with suppress(MediaError), self._held:  # an answer that is not complete ends the connection
            await super().__call__(scope, receive, send_unchanged)


class MediaShape(BaseModel):
    """How a browser plays a file. If `excerpt_seconds` is given, a copy holds so many seconds from `start` on."""

    plays: Plays
    is_image: bool
    has_video: bool
    has_audio: bool
    seconds: float
    width_px: int
    height_px: int
    fps: float
    excerpt_seconds: int | None
    reason: str
    facts: MediaFacts | None


router = APIRouter(tags=["media"])


@router.head("/media/{identity}", include_in_schema=False)
@router.get(
    "/media/{identity}", response_class=FileResponse,
    responses={**described(404, 416, 503, 507), **_PLAYED},
)  # fmt: skip
async def media(
    parts: GivenParts, identity: str, start: Annotated[int, Query(ge=0, le=10_000_000, multiple_of=STARTS_SECONDS)] = 0
) -> FileResponse:
    """Return a file as it is, or a copy that browsers play; of a transcoded one ten minutes from second `start` on."""
    path, found, _ = await to_thread.run_sync(_probed, parts, identity)
    if found.plays == "none":
        raise RefusedError(f"it cannot be played: {found.reason}")
    if found.plays != "direct":
        path = await parts.copies.playable(path, found.plays, start if found.is_in_parts else 0)
    return await to_thread.run_sync(_OpenFile, path, found.media_type)


@router.get("/media/{identity}/info", responses=described(404))
def info(parts: PartsInTurn, identity: str) -> MediaShape:
    """Say how a browser plays a file; of an image, `strip` shows it."""
    path, found, facts = _probed(parts, identity)
    known, is_still = found.info or MediaInfo(None), is_image(path)
    return MediaShape(
        plays=found.plays, is_image=is_still, has_video=is_still or known.has_video, has_audio=known.has_audio,
        seconds=known.duration_seconds or 0.0, width_px=known.width_px, height_px=known.height_px, fps=known.fps,
        reason=found.reason, facts=facts, excerpt_seconds=EXCERPT_SECONDS if found.is_in_parts else None,
    )  # fmt: skip


@router.get(
    "/media/{identity}/strip", response_class=Response,
    responses={**described(404, 507), 200: {"content": {"image/jpeg": _BINARY}}, 204: {"description": "It has no frames"}},
)  # fmt: skip
def strip(
    parts: PartsInTurn,
    identity: str,
    start: Seconds = 0.0,
    end: Seconds = 0.0,
    n: Annotated[int, Query(ge=1, le=48)] = 12,
) -> Response:
    """Return `n` stills side by side as one JPEG, from the middles of equal parts of these seconds; one is larger."""
    path, found, _ = _probed(parts, identity)
    last = (found.info and found.info.duration_seconds) or np.inf  # beyond it ffmpeg would seek for long
    at = np.minimum(start + (np.arange(n) + 0.5) / n * max(0.0, end - start), last)
    try:
        jpeg = parts.processes.call(_strip, path, at.tolist())
    except (MediaError, CrashedError):
        jpeg = b""
    return Response(jpeg, media_type="image/jpeg", headers=SHORT_CACHE) if jpeg else Response(status_code=204)


@router.get("/media/{identity}/waveform", responses=described(404, 507))
def waveform(
    parts: PartsInTurn,
    response: Response, identity: str, start: Seconds = 0.0, end: Seconds = 0.0,
    n: Annotated[int, Query(ge=1, le=4000)] = 400,
) -> dict[str, list[float]]:  # fmt: skip
    """Return the loudest sample of each of `n` equal parts of these seconds, 0 to 1; none without audio."""
    path, found = parts.media_path(identity), list[float]()
    with suppress(MediaError, CrashedError):
        if start < end:
            found = parts.processes.call(peaks, path, start, end, n, AS_PERMITTED).round(4).tolist()
            response.headers.update(SHORT_CACHE)
    return {"peaks": found}


def _probed(parts: Parts, identity: str) -> tuple[Path, Playback, MediaFacts | None]:
    path = parts.media_path(identity)
    return path, *parts.copies.probed(path)


def _strip(path: Path, seconds: list[float]) -> bytes:
    """Encode stills side by side, an image as often; b"" without any."""
    params = STRIP if len(seconds) > 1 else STILL
    if is_image(path):
        jpeg, image = io.BytesIO(), read_image(path, params.short_side_px, AS_PERMITTED)
        Image.fromarray(np.tile(image, (1, len(seconds), 1))).save(jpeg, "JPEG", quality=JPEG_QUALITY)
        return jpeg.getvalue()
    frames = stills(path, seconds, params, AS_PERMITTED)
    shown = next((each for each in frames if each is not None), None)
    if shown is None:
        return b""
    grey = np.full_like(shown, GREY)
    planes = zip(*(split(grey if each is None else each) for each in frames), strict=True)
    wide = [np.concatenate(each, axis=1) for each in planes]  # Y, Cb, Cr
    frame = np.concatenate([each.reshape(-1, wide[0].shape[1]) for each in wide])  # (H * 3 / 2, n * W)
    return encode_planes(frame[None], JPEG_QUALITY)
