"""Damaged, mislabelled and hostile files: a typed error with a reason, nothing else opened, nothing contacted."""

import ctypes
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import preprocess.media as media_module
from preprocess.errors import MediaError, MediaRefusedError
from preprocess.executable import clean_words, ffmpeg_executable
from preprocess.media import decode, probe
from preprocess.records import MediaInfo

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
    """A server on this machine that notes who calls."""
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                calls.append(str(address))
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1], calls
        finally:
            stop.wait(0.15)
            stop.set()
            thread.join()


@contextmanager
def nobody() -> Iterator[None]:
    """Be a user without rights: root may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def playlist(kind: str, target: str) -> str:
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
        "hls with blanks before": f"\n \ufeff#EXTM3U\n#EXTINF:2,\n{target}\n",
        "hls master": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{target}\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": "<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static' "
        "mediaPresentationDuration='PT2S'><Period><AdaptationSet mimeType='video/mp4'><Representation id='1' "
        f"bandwidth='1'><BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "asx": f"<asx version='3.0'><entry><ref href='{target}'/></entry></asx>",
    }[kind]


KINDS = ["hls", "hls with blanks before", "hls master", "ffconcat", "dash", "sdp", "asx"]


@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.mkv", "list"])
@pytest.mark.parametrize("kind", KINDS)
def test_playlists_read_nothing(kind, name, tmp_path, ordinary_clip, small_params):
    file = tmp_path / name
    file.write_text(playlist(kind, str(ordinary_clip)))
    with watch_opens(ordinary_clip) as opens, pytest.raises(MediaError):
        decode(file, small_params)
    assert not opens


@pytest.mark.parametrize("kind", KINDS)
def test_playlists_contact_nobody(kind, tmp_path, small_params):
    with listening() as (port, calls):
        file = tmp_path / "list.mp4"
        file.write_text(playlist(kind, f"http://127.0.0.1:{port}/part.mp4"))
        with pytest.raises(MediaError):
            decode(file, small_params)
    assert not calls


def test_a_careless_ffmpeg_would_have_read_and_called(tmp_path, ordinary_clip):
    """The proof that the two tests above would notice."""
    careless = [ffmpeg_executable(), "-v", "quiet", "-nostdin", "-protocol_whitelist", "file,http,tcp", "-f", "concat"]
    with listening() as (port, calls), watch_opens(ordinary_clip) as opens:
        for target in (str(ordinary_clip), f"http://127.0.0.1:{port}/part.mp4"):
            file = tmp_path / "list.mp4"
            file.write_text(playlist("ffconcat", target))
            subprocess.run([*careless, "-safe", "0", "-i", file, "-f", "null", "-"], check=False)
    assert opens
    assert calls


@pytest.mark.parametrize("demuxer", ["hls", "concat", "dash", "sdp"])
def test_ffmpeg_itself_refuses_what_the_probe_would_let_through(
    demuxer, tmp_path, ordinary_clip, small_params, monkeypatch
):
    kind = {"concat": "ffconcat"}.get(demuxer, demuxer)
    file = tmp_path / "list.mp4"
    file.write_text(playlist(kind, str(ordinary_clip)))
    forged = MediaInfo(2.0, 160, 96, 25, has_video=True, format_name=demuxer, video_stream=0)
    monkeypatch.setattr(media_module, "open_source", lambda path, limits: path.open("rb"))
    monkeypatch.setattr(media_module, "probe_file", lambda *_: forged)
    with watch_opens(ordinary_clip) as opens, pytest.raises(MediaError, match=r"not on whitelist|Unknown input"):
        decode(file, small_params)
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
def test_external_references_are_not_followed(levels, tmp_path, ordinary_clip, small_params):
    data = ordinary_clip.read_bytes()
    other = tmp_path / "other.mp4"
    other.write_bytes(data)
    file = tmp_path / "references.mp4"
    file.write_bytes(replace_references(data, alias_reference(other, levels)))
    with watch_opens(other) as opens, pytest.raises(MediaError):
        decode(file, small_params)
    assert not opens
    careless = [ffmpeg_executable(), "-v", "quiet", "-nostdin", "-enable_drefs", "1", "-use_absolute_path", "1"]
    with watch_opens(other) as opens:
        subprocess.run([*careless, "-i", file, "-f", "null", "-"], check=False)
    assert opens  # the file does name the other one


def test_empty_file(tmp_path, small_params):
    file = tmp_path / "empty.mp4"
    file.touch()
    with pytest.raises(MediaError, match="empty file"):
        decode(file, small_params)


def test_text_named_mp4(tmp_path, small_params):
    file = tmp_path / "text.mp4"
    file.write_text("This is not a video.\n" * 100)
    with pytest.raises(MediaError, match=r"Invalid data|moov atom not found"):
        decode(file, small_params)


def test_moov_missing(tmp_path, ordinary_clip, small_params):
    file = tmp_path / "no index.mp4"
    data = ordinary_clip.read_bytes()
    file.write_bytes(data[: data.rindex(b"moov") - 4])
    with pytest.raises(MediaError, match="moov atom not found"):
        decode(file, small_params)


def test_truncated_file_is_used_as_far_as_it_goes(
    tmp_path, write_clip, counter_frames, read_counter, tone, small_params
):
    whole = write_clip(tmp_path / "whole.mp4", counter_frames(100), 25, tone(4.0), output=("-movflags", "+faststart"))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    decoded = decode(cut, small_params)
    assert 10 < decoded.n_frames < 45
    assert [read_counter(frame) for frame in decoded.frames[:-2]] == [2 * i for i in range(decoded.n_frames - 2)]
    assert len(decoded.waveform) == decoded.n_frames * small_params.samples_per_frame
    assert "decoded" in decoded.warnings
    assert "@ 0x" not in decoded.warnings
    assert decode(cut, small_params).warnings == decoded.warnings


def test_truncated_in_the_first_frame(tmp_path, write_clip, counter_frames, small_params):
    whole = write_clip(tmp_path / "whole.mkv", counter_frames(25), 25)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[:700])
    with pytest.raises(MediaError):
        decode(cut, small_params)


def test_overwritten_middle_does_not_end_the_run(tmp_path, write_clip, counter_frames, tone, small_params):
    clip = write_clip(tmp_path / "c.mp4", counter_frames(100), 25, tone(4.0), output=("-movflags", "+faststart"))
    data = bytearray(clip.read_bytes())
    middle = len(data) * 2 // 3
    data[middle : middle + 400] = os.urandom(400)
    clip.write_bytes(data)
    try:
        decoded = decode(clip, small_params)
    except MediaError as error:
        assert error.reason
    else:
        assert decoded.n_frames > 40


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(seed, tmp_path, small_params):
    file = tmp_path / "noise.mp4"
    file.write_bytes(__import__("random").Random(seed).randbytes(20_000))
    with pytest.raises(MediaError):
        decode(file, small_params)


NAMES = [
    "with spaces.mp4",
    'quote\'s "double".mp4',
    "new\nline.mp4",
    "Grüße 你好 🎬.mp4",
    "-leading-dash.mp4",
    "frame%03d.mp4",
    "http:colon.mp4",
    "back\\slash;semi|pipe,comma[0:v].mp4",
    "no extension",
]


@pytest.mark.parametrize("name", NAMES)
def test_names(name, tmp_path, ordinary_clip, small_params, monkeypatch):
    (tmp_path / name).write_bytes(ordinary_clip.read_bytes())
    monkeypatch.chdir(tmp_path)
    for path in (Path(name), tmp_path / name):
        assert decode(path, small_params).n_frames == 25


def test_name_that_is_not_utf8(tmp_path, ordinary_clip, small_params):
    name = os.fsdecode(b"caf\xe9.mp4")
    (tmp_path / name).write_bytes(ordinary_clip.read_bytes())
    assert decode(tmp_path / name, small_params).n_frames == 25


def test_fifo_does_not_hang(tmp_path, small_params):
    fifo = tmp_path / "fifo.mp4"
    os.mkfifo(fifo)
    with pytest.raises(MediaRefusedError, match="not a regular file"):
        decode(fifo, small_params)


@pytest.mark.parametrize("path", [Path("/dev/zero"), Path("/")])
def test_devices_and_folders(path, small_params):
    with pytest.raises(MediaRefusedError, match="not a regular file"):
        decode(path, small_params)


def test_dangling_link_and_missing_file(tmp_path):
    link = tmp_path / "link.mp4"
    link.symlink_to(tmp_path / "nowhere.mp4")
    for path in (link, tmp_path / "nowhere.mp4"):
        with pytest.raises(MediaError, match="No such file"):
            probe(path)


def test_unreadable_file(tmp_path, ordinary_clip, small_params):
    file = tmp_path / "secret.mp4"
    file.write_bytes(ordinary_clip.read_bytes())
    file.chmod(0)
    with nobody(), pytest.raises(MediaError, match="Permission denied"):
        decode(file, small_params)


def test_errors_survive_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(MediaRefusedError(Path("a.mp4"), "why")))  # noqa: S301 - our own bytes
    assert (type(error), error.path, error.reason) == (MediaRefusedError, Path("a.mp4"), "why")


def test_words_are_one_printable_line():
    words = clean_words(b"[mov @ 0x55aa] bad\n\x1b[31mred\nfile:/dev/fd/7: x\n[mov @ 0x66bb] bad\n\xff")
    assert words == "[mov] bad; \\x1b[31mred; file:the file: x; \ufffd"
