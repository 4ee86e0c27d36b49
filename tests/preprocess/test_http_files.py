"""Videos and shard sets behind a real web server: one that says sizes, one that does not, and those that fail."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from preprocess import http_files
from preprocess.errors import RemoteError, ShardError
from preprocess.remote import SUMS_FILE, fetch_set, list_files, push_set
from preprocess.shards.manifest import read_sources
from tests.preprocess.whole_run import build_folder, bytes_of


class Plain(SimpleHTTPRequestHandler):
    """Lists folders and says sizes."""

    requests: ClassVar = []

    @property
    def is_for_file(self):
        return "." in self.path.rpartition("/")[2]

    def log_message(self, *args):
        self.requests.append((self.command, self.path))


class WithoutSizes(Plain):
    def send_header(self, keyword, value):
        if keyword != "Content-Length":
            super().send_header(keyword, value)


class WithoutHead(Plain):
    def do_HEAD(self):
        self.send_error(501)


class Busy(Plain):
    """Answers questions for sizes only after this many refusals for each file."""

    refusals: ClassVar = {}
    n_refusals = 2

    def do_HEAD(self):
        self.refusals[self.path] = self.refusals.get(self.path, 0) + 1
        return self.send_error(503) if self.refusals[self.path] <= self.n_refusals else super().do_HEAD()


class BusyForLong(Busy):
    refusals: ClassVar = {}
    n_refusals = 1000


class BreakingOff(Plain):
    """Ends every file, but no page, after half of it."""

    def copyfile(self, source, outputfile):
        data = source.read()
        outputfile.write(data[: len(data) // 2] if self.is_for_file else data)


class BreakingOffInChunks(BreakingOff):
    """Does so in chunks, of which the last one never comes; no file has a stated size."""

    protocol_version = "HTTP/1.1"

    def send_header(self, keyword, value):
        if self.is_for_file and keyword == "Content-Length":
            keyword, value = "Transfer-Encoding", "chunked"
        super().send_header(keyword, value)

    def copyfile(self, source, outputfile):
        if self.is_for_file:
            outputfile.write(b"%x\r\n" % 1000 + source.read()[:500])
            self.close_connection = True
        else:
            super().copyfile(source, outputfile)


class BreakingOffArchives(BreakingOff):
    """Sends the small files of a shard set whole."""

    @property
    def is_for_file(self):
        return self.path.endswith(".tar")


class Silent(Plain):
    """Keeps the connection open and sends no file."""

    def copyfile(self, source, outputfile):
        return self.server.ended.wait(30) if self.is_for_file else super().copyfile(source, outputfile)


class Closed(Plain):
    def do_GET(self):
        return self.send_error(403) if self.path.endswith("/b/") else super().do_GET()


@pytest.fixture
def serve():
    servers = []

    def start(folder, handler=Plain):
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
        server.ended = threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.ended.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("handler", [Plain, WithoutSizes, WithoutHead])
def test_videos_behind_a_web_server_make_the_shards_that_local_ones_make(handler, serve, clips, reference, tmp_path):
    url = f"{serve(clips.parent, handler)}/{clips.name}"
    build_folder(url, tmp_path / "shards")
    sources = read_sources(tmp_path / "shards")
    assert sources["status"].tolist() == ["ok", "ok", "failed", "ok", "ok"]
    assert sources["source_bytes"].isna().all() == (handler is not Plain)
    if handler is Plain:
        assert bytes_of(tmp_path / "shards") == bytes_of(reference)
    else:
        assert (tmp_path / "shards/shard-000000.tar").read_bytes() == (reference / "shard-000000.tar").read_bytes()
    assert build_folder(url, tmp_path / "shards").n_shards_built == 0


def test_names_are_unquoted_and_links_out_of_the_folder_are_not_followed(serve, tmp_path):
    for name in ("data/50% a b.mp4", "data/sub/ü#?.mp4", "data/.hidden/x.mp4", "outside.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"abc")
    url = serve(tmp_path)
    assert {name: file.n_bytes for name, file in list_files(f"{url}/data/").items()} == {
        "50% a b.mp4": 3, "sub/ü#?.mp4": 3
    }  # fmt: skip
    page = '<a href="/outside.mp4">o</a><a href="../data/">u</a><a href="?C=N">s</a><a href="{}/data/sub/x.mp4#a">i</a>'
    (tmp_path / "data" / "index.html").write_text(page.format(url))
    assert list(list_files(f"{url}/data")) == ["sub/x.mp4"]


def test_a_server_that_is_busy_for_a_moment_is_asked_again_and_no_file_counts_as_changed(
    serve, clips, tmp_path, monkeypatch
):
    monkeypatch.setattr(http_files, "PAUSES_SECONDS", (0.0, 0.0))
    build_folder(f"{serve(clips)}", tmp_path / "shards")
    assert build_folder(serve(clips, Busy), tmp_path / "shards").n_shards_built == 0
    with pytest.raises(
        RemoteError, match=r"did not answer when asked for the size of .*\.m.*503.*run the same command"
    ):
        build_folder(serve(clips, BusyForLong), tmp_path / "shards")
    with pytest.raises(ShardError, match=r"sizes of 2 of its sources cannot be learned now: a sound"):
        build_folder(serve(clips, WithoutHead), tmp_path / "shards")


def test_a_listing_loses_malformed_links_alone_and_links_may_be_unescaped(serve, tmp_path, caplog):
    (tmp_path / "a ü%.mp4").write_bytes(b"abc")
    links = ("http://[x/b.mp4", "a ü%25.mp4")
    (tmp_path / "index.html").write_text("".join(f'<a href="{link}">x</a>' for link in links))
    assert {name: file.n_bytes for name, file in list_files(serve(tmp_path)).items()} == {"a ü%.mp4": 3}
    assert "malformed link is passed over: 'http://[x/b.mp4'" in caplog.text


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (BreakingOff, r"the connection broke off \d+ bytes before the end"),
        (BreakingOffInChunks, "IncompleteRead"),
        (Silent, "TimeoutError"),
    ],
)
def test_a_connection_that_fails_is_named_and_tried_once(
    handler, words, serve, clips, reference, tmp_path, monkeypatch
):
    if handler is Silent:  # the others answer, but a busy machine may take more than this for it
        monkeypatch.setattr(http_files, "PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(Plain, "requests", [])
    url = serve(clips.parent, handler)
    with pytest.raises(ShardError, match=rf"none of the 5 sources could be read.*cannot be fetched: {url}.*{words}"):
        build_folder(f"{url}/{clips.name}", tmp_path / "out")
    fetched = [path for method, path in Plain.requests if method == "GET" and "." in path.rsplit("/", 1)[-1]]
    assert len(fetched) == len(set(fetched)) == 5
    with pytest.raises(RemoteError, match=words):
        fetch_set(serve(reference, handler), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_what_cannot_be_listed_is_named(serve, clips, tmp_path):
    for name in ("deep", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "deep" / "loop").symlink_to(tmp_path / "deep")
    (tmp_path / "data" / "a.mp4").write_bytes(b"abc")
    url = serve(tmp_path)
    for place, words in (
        (f"{url}/data/a.mp4/", "404"),
        (f"{url}/deep", "a link may loop"),
        (serve(clips, Closed), "403"),
        ("http://127.0.0.1:9", "Connection refused"),
    ):
        with pytest.raises(RemoteError, match=words):
            list_files(place)


def test_a_set_is_fetched_but_cannot_be_pushed(serve, clips, tmp_path):
    build_folder(clips, tmp_path / "set")
    with pytest.raises(RemoteError, match="web servers are only read"):
        push_set(tmp_path / "set", f"{serve(tmp_path)}/elsewhere")
    push_set(tmp_path / "set", f"file://{tmp_path}/pushed")
    with pytest.raises(RemoteError, match=r"pushed/shard-000000\.tar: OSError: the connection broke off"):
        fetch_set(f"{serve(tmp_path, BreakingOffArchives)}/pushed", tmp_path / "cache")
    fetch_set(f"{serve(tmp_path)}/pushed", tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(tmp_path / "set")
    assert SUMS_FILE not in bytes_of(tmp_path / "cache")
