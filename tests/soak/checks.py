"""Check what must hold of folders that killed runs have made; each check returns a line for every breach."""

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from preprocess.shards.manifest import read_segments, read_sources
from store.reader import EmbeddingStore
from tests import processes
from tests.soak.sources import MadeSource

MAX_LINES = 5
ROUNDING = 1e-4
"""Largest difference of a coordinate that counts as rounding; vectors have a length of about 1."""


def commands_clean(*arguments: object) -> list[str]:
    """Run a command of the project; breaches are its output if it does not end with 0."""
    done = processes.run("-m", *arguments)
    words = (done.stdout + done.stderr).strip().splitlines()[:MAX_LINES]
    return [] if done.returncode == 0 else [f"{' '.join(map(str, arguments))}: status {done.returncode}", *words]


def same_files(whole: Path, disturbed: Path) -> list[str]:
    """Both folders hold the same names, and under each the same bytes."""
    digests = [
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (whole, disturbed)
    ]
    odd = sorted({name for name, _ in digests[0].items() ^ digests[1].items()})
    return [f"{name}: not the bytes of the undisturbed run, or only in one" for name in odd[:MAX_LINES]]


def same_stores(whole: Path, disturbed: Path) -> list[str]:
    """Both stores hold the same clips in the same order, exactly, with the same vectors up to rounding.

    A resumed run embeds only the missing shards, so its batches have other sizes, which add in another order.
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
    """Every file has one row, in order: read if it is good, else failed with a reason."""
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
    """The archives hold every segment of the manifest once, and no other; every good source has a segment."""
    rows = read_segments(shards)
    listed = Counter(rows["key"])
    stored = Counter[str]()
    for tar in sorted(shards.glob("shard-*.tar")):
        with tarfile.open(tar) as archive:  # Python's own reader, not the project's
            stored.update(name.partition(".")[0] for name in archive.getnames() if name.endswith(".meta.npy"))
    breaches = [f"segment {key} is listed {n} times" for key, n in listed.items() if n > 1]
    breaches += [f"segment {key} is stored {n} times" for key, n in stored.items() if n > 1]
    breaches += [f"segment {key} is lost, or not listed" for key in sorted(listed.keys() ^ stored.keys())]
    without = {source.name for source in planned if source.is_good} - set(rows["source"])
    return (breaches + [f"{name} has no segment" for name in sorted(without)])[:MAX_LINES]


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
    """Return (step, every value that must not depend on the clock) of each record."""
    records = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(r["step"], json.dumps([r["loss"], r["terms"], r["metrics"]], sort_keys=True)) for r in records]


def same_weights(whole: Path, disturbed: Path) -> list[str]:
    """Both training runs ended with the same encoders, to the last bit."""
    ends = [json.loads((run / "training.json").read_text(encoding="utf-8")) for run in (whole, disturbed)]
    return [] if ends[0]["encoder_sha256"] == ends[1]["encoder_sha256"] else ["the encoders differ"]
