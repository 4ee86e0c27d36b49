"""What must hold of folders that killed runs have made; each check gives a line for every breach, none if all is well."""

import hashlib
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preprocess.shards.manifest import read_segments, read_sources
from store.reader import EmbeddingStore
from tests.soak.sources import MadeSource

MAX_LINES = 5
ROUNDING = 1e-4
"""Largest difference of a coordinate that counts as rounding; vectors have a length of about 1."""
ROOT = Path(__file__).parents[2]


def commands_clean(*arguments: str) -> list[str]:
    """Run a command of the project; breaches are what it says when it does not end with 0."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    words = (done.stdout + done.stderr).strip().splitlines()[:MAX_LINES]
    return [] if done.returncode == 0 else [f"{' '.join(arguments)}: status {done.returncode}", *words]


def same_files(whole: Path, disturbed: Path) -> list[str]:
    """Both folders hold the same names, and under each the same bytes."""
    digests = [_digests(folder) for folder in (whole, disturbed)]
    odd = sorted(name for name in digests[0].keys() | digests[1].keys() if digests[0].get(name) != digests[1].get(name))
    return [f"{name}: not the bytes of the undisturbed run, or only in one" for name in odd[:MAX_LINES]]


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def same_stores(whole: Path, disturbed: Path) -> list[str]:
    """Both stores hold the same clips in the same order, exactly, with the same vectors up to rounding.

    A resumed run embeds the shards that are missing, so its batches hold other segments, and other sizes of batches add in
    another order.
    """
    with EmbeddingStore(whole) as one, EmbeddingStore(disturbed) as other:
        breaches = [f"{other.path}: {other.layout}, not {one.layout}"] if str(one.layout) != str(other.layout) else []
        if not breaches and not one.frame().equals(other.frame()):
            breaches.append(f"{other.path}: other clips, or in another order")
        for name in () if breaches else one.vector_names:
            difference = np.abs(one.vectors(name) - other.vectors(name)).max()
            if not difference < ROUNDING:
                breaches.append(f"{other.path}: /{name} differs by {difference:.2g}")
    return breaches


def sources_accounted_for(shards: Path, planned: Sequence[MadeSource]) -> list[str]:
    """Every file has its row, once, in order: read if it can be, else failed with a reason."""
    rows = read_sources(shards)
    breaches = []
    if rows["source"].tolist() != [source.name for source in planned]:
        breaches.append("the manifest does not list the sources that there are, each once and in order")
    for row, source in zip(rows.itertuples(), planned, strict=False):
        if (row.status == "ok") != source.is_good:
            breaches.append(f"{source.name} ({source.kind}) is {row.status}: {row.reason}")
        if row.status != "ok" and not row.reason:
            breaches.append(f"{source.name} ({source.kind}) failed without a reason")
    return breaches[:MAX_LINES]


def segments_accounted_for(shards: Path, planned: Sequence[MadeSource]) -> list[str]:
    """Every segment of the manifest lies in the archives once, and nothing else; every good source has some."""
    rows = read_segments(shards)
    listed = Counter(rows["key"])
    stored = Counter(key for tar in sorted(shards.glob("shard-*.tar")) for key in _keys(tar))
    breaches = [f"segment {key} is listed {n} times" for key, n in listed.items() if n > 1]
    breaches += [f"segment {key} is stored {n} times" for key, n in stored.items() if n > 1]
    breaches += [f"segment {key} is lost, or not listed" for key in sorted(listed.keys() ^ stored.keys())]
    without = {source.name for source in planned if source.is_good} - set(rows["source"])
    return (breaches + [f"{name} has no segment" for name in sorted(without)])[:MAX_LINES]


def _keys(tar: Path) -> list[str]:
    """Keys of an archive as Python's own tarfile reads it, a sample's members counted once."""
    with tarfile.open(tar) as archive:
        return [name.partition(".")[0] for name in archive.getnames() if name.endswith(".meta.npy")]


def same_losses(whole: Path, disturbed: Path) -> list[str]:
    """Both runs logged every step once, and the same loss, terms and metrics in each."""
    logs = [_log(run) for run in (whole, disturbed)]
    breaches = []
    for run, log in zip((whole, disturbed), logs, strict=True):
        if [step for step, _ in log] != list(range(1, len(log) + 1)):
            breaches.append(f"{run}: the log lacks steps, or has some twice")
    odd = [before[0] for before, after in zip(*logs, strict=False) if before != after]
    if odd or len(logs[0]) != len(logs[1]):
        breaches.append(f"{len(logs[0])} and {len(logs[1])} steps, other numbers in {len(odd)}, first in {odd[:3]}")
    return breaches


def _log(run: Path) -> list[tuple[int, str]]:
    """Step, and all that must not depend on the clock."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(r["step"], json.dumps([r["loss"], r["terms"], r["metrics"]], sort_keys=True)) for r in records]


def same_weights(whole: Path, disturbed: Path) -> list[str]:
    """Both trainings ended with the same encoders, to the last bit."""
    ends = [json.loads((run / "training.json").read_text(encoding="utf-8")) for run in (whole, disturbed)]
    return [] if ends[0]["encoder_sha256"] == ends[1]["encoder_sha256"] else ["the encoders differ"]
