"""What a server is started with, and its bounds."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from evaluate.errors import EvaluateError

MEGABYTE = 1 << 20
WATCHED_FILE = "watched.jsonl"


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a server.

    Attributes:
        index_folder: it need not exist if `archive_folder` is given.
        archive_folder: folder that runs index; None for the one that was indexed.
        allowed_folders: folders besides the archive's whose files may be read and served.
        host: address that the server listens at, or a name of it.
        names: further names of it, such as a proxy's; requests to others are refused.
        upload_bytes, upload_seconds: limits on one upload.
        uploads_bytes: limit on all uploads that are kept; the oldest go first.
        copies_bytes: limit on the remuxed and transcoded copies that are kept.
        n_waiting: matches that may wait for their turn; more are refused.
        watch_folder: files that come in here are matched; None to watch nothing.
        watch_out: JSON-lines file with a line for each of them; None for one in the index.
        webhook: address to which these lines are posted; "" for none.
        settle_seconds: a file is taken when it has not changed for so long.

    Raises:
        EvaluateError: a token, limits or a webhook that make no sense, a missing folder, or nothing to tell of.
    """

    index_folder: Path
    token: str
    archive_folder: Path | None = None
    allowed_folders: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    upload_bytes: int = 2048 * MEGABYTE
    uploads_bytes: int = 8192 * MEGABYTE
    copies_bytes: int = 4096 * MEGABYTE
    upload_seconds: float = 1800.0
    n_waiting: int = 16
    watch_folder: Path | None = None
    watch_out: Path | None = None
    webhook: str = ""
    settle_seconds: float = 2.0

    @property
    def watched_lines(self) -> Path:
        """JSON-lines file with a line for each file that came in."""
        return self.watch_out or self.index_folder / WATCHED_FILE

    def __post_init__(self) -> None:
        if not self.token or any(not "!" <= each <= "~" for each in self.token):
            raise EvaluateError("a token is ASCII without spaces; unset AVTEMPO_TOKEN, or give it such a value")
        if self.upload_bytes < 1:
            raise EvaluateError("the limit on uploads must be above 0 MB")
        if self.webhook and not _is_address(self.webhook):
            raise EvaluateError(f"no webhook: {self.webhook}; give an http or https address, in ASCII without spaces")
        if self.watch_folder is None and (self.webhook or self.watch_out):
            raise EvaluateError("--webhook and --watch-out tell of a watched folder; name it: --watch FOLDER")
        for folder in (self.archive_folder, self.watch_folder, *self.allowed_folders):
            if folder is not None and not folder.is_dir():
                raise EvaluateError(f"{folder}: no such folder")


def _is_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        is_whole = bool(address.scheme in ("http", "https") and address.hostname and address.port != 0)
    except ValueError:  # brackets that do not close, or a port that is no number
        return False
    return is_whole and all("!" <= each <= "~" for each in text)
