"""Who runs below a command, read from /proc: the fork server, the workers that it starts, and what they start."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """A process: its number, its parent's, its session's, and its command line."""

    pid: int
    parent: int
    session: int
    command: str


def running() -> list[Running]:
    """Every process that can be seen and is not a zombie."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (OSError, ValueError):  # it ended meanwhile
            continue
        if state != "Z":
            found.append(Running(int(folder.name), int(parent), int(session), command))
    return found


def ingest_victims(main: int) -> dict[str, list[int]]:
    """What may be killed while shards are made, by kind; kinds of which nothing runs are not there."""
    everyone = running()
    servers = [each.pid for each in everyone if each.parent == main and "forkserver" in each.command]
    workers = [each.pid for each in everyone if each.parent in servers]
    decoders = [each.pid for each in everyone if each.parent in workers]
    found = {"main": [main], "fork server": servers, "worker": workers, "ffmpeg": decoders}
    return {kind: pids for kind, pids in found.items() if pids}


def session_members(session: int) -> list[Running]:
    """Whoever belongs to a session, however its parents ended."""
    return [each for each in running() if each.session == session]
