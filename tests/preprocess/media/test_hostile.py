"""Playlists, scripts and movies that name other files or addresses: refused, nothing opened, nothing contacted."""

import ctypes
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import preprocess.media.decode as media_module
from preprocess.errors import MediaError
from preprocess.media.decode import decode
from preprocess.media.ffmpeg import ffmpeg_executable
from preprocess.media.media_info import MediaInfo
from tests.preprocess.made_media import SMALL

IN_OPEN = 0x20


@contextmanager
def watch_opens(path: Path) -> Iterator[list[int]]:
    """Count every opening of a file, by any process, with the kernel's inotify."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    assert descriptor >= 0
    assert libc.inotify_add_watch(descriptor, os.fsencode(path), IN_OPEN) >= 0
    opens: list[int] = []
    try:
        yield opens
    finally:
        with suppress(BlockingIOError):
            opens.extend(os.read(descriptor, 1 << 16))
        os.close(descriptor)


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """Give the port of a server on this machine, and a list that holds the first caller when the block has ended."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server.getsockname()[1], calls
        with suppress(BlockingIOError):
            connection, address = server.accept()
            calls.append(str(address))
            connection.close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n",
    "hls with blanks before": "\n \ufeff#EXTM3U\n#EXTINF:2,\n{}\n",
    "hls master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n",
    "concat": "ffconcat version 1.0\nfile '{}'\n",
    "dash": "<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
    "mediaPresentationDuration='PT2S'><Period><AdaptationSet mimeType='video/mp4'><Representation id='1' "
    "bandwidth='1'><BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "asx": "<asx version='3.0'><entry><ref href='{}'/></entry></asx>",
}


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.mkv", "list"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_read_nothing_and_contact_nobody(kind, name, tmp_path, ordinary_clip):
    file = tmp_path / name
    with listening() as (port, calls), watch_opens(ordinary_clip) as opens:
        for target in (str(ordinary_clip), f"http://127.0.0.1:{port}/part.mp4"):
            file.write_text(PLAYLISTS[kind].format(target))
            with pytest.raises(MediaError):
                decode(file, SMALL)
    assert not opens
    assert not calls


def test_a_careless_ffmpeg_would_have_read_and_called(tmp_path, ordinary_clip):
    """The proof that the test above would notice."""
    careless = [ffmpeg_executable(), "-v", "quiet", "-nostdin", "-protocol_whitelist", "file,http,tcp", "-f", "concat"]
    with listening() as (port, calls), watch_opens(ordinary_clip) as opens:
        for target in (str(ordinary_clip), f"http://127.0.0.1:{port}/part.mp4"):
            file = tmp_path / "list.mp4"
            file.write_text(PLAYLISTS["concat"].format(target))
            with suppress(subprocess.TimeoutExpired):  # the server does not answer
                subprocess.run([*careless, "-safe", "0", "-i", file, "-f", "null", "-"], check=False, timeout=2)
    assert opens
    assert calls


@pytest.mark.parametrize("demuxer", ["hls", "concat", "dash", "sdp"])
def test_ffmpeg_itself_refuses_what_the_probe_would_let_through(demuxer, tmp_path, ordinary_clip, monkeypatch):
    file = tmp_path / "list.mp4"
    file.write_text(PLAYLISTS[demuxer].format(ordinary_clip))
    forged = MediaInfo(2.0, 160, 96, 25, has_video=True, format_name=demuxer, video_stream=0)
    monkeypatch.setattr(media_module, "open_source", lambda path, limits: path.open("rb"))
    monkeypatch.setattr(media_module, "probe_file", lambda *_: forged)
    with watch_opens(ordinary_clip) as opens, pytest.raises(MediaError, match=r"not on whitelist|Unknown input"):
        decode(file, SMALL)
    assert not opens


def atom(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def replace_references(data: bytes, reference: bytes) -> bytes:
    """Put `reference` into every track's dref atom and correct the sizes of the atoms around it."""
    result = b""
    position = 0
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        payload = data[position + 8 : position + size]
        if kind in {b"moov", b"trak", b"mdia", b"minf", b"dinf"}:
            payload = replace_references(payload, reference)
        elif kind == b"dref":
            payload = struct.pack(">II", 0, 1) + reference
        result += atom(kind, payload)
        position += size
    return result


def alias_reference(target: Path, levels: int) -> bytes:
    """A Macintosh alias record, as QuickTime movies name other files: absolute, or relative with `levels` of 1."""
    path = os.fsencode(target)
    path += b"\0" * (len(path) % 2)
    record = b"\0" * 10 + b"\x01" + b"v" * 27 + b"\0" * 12
    record += bytes([min(len(target.name), 63)]) + target.name.encode()[:63].ljust(63, b"\0") + b"\0" * 16
    record += struct.pack(">hh", levels, levels) + b"\0" * 16
    record += struct.pack(">HH", 2, len(path)) + path + struct.pack(">HH", 0xFFFF, 0)
    return atom(b"alis", struct.pack(">I", 0) + record.ljust(200, b"\0"))


@pytest.mark.parametrize("levels", [0, 1])
def test_external_references_are_not_followed(levels, tmp_path, ordinary_clip):
    data = ordinary_clip.read_bytes()
    other = tmp_path / "other.mp4"
    other.write_bytes(data)
    file = tmp_path / "references.mp4"
    file.write_bytes(replace_references(data, alias_reference(other, levels)))
    with watch_opens(other) as opens, pytest.raises(MediaError):
        decode(file, SMALL)
    assert not opens
    careless = [ffmpeg_executable(), "-v", "quiet", "-nostdin", "-enable_drefs", "1", "-use_absolute_path", "1"]
    with watch_opens(other) as opens:
        subprocess.run([*careless, "-i", file, "-f", "null", "-"], check=False)
    assert opens  # the file does name the other one
