"""Checking a store against its own checksums and against the rules that HDF5 does not know."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from store.errors import DAMAGED_REMEDY, DamagedStoreError, StoreError
from store.layout import Digest, content_digest, modality
from store.reader import EmbeddingStore


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a store.

    Attributes:
        hdf5_path: where in the file, such as "/video/features"; "/" for the file as a whole.
        problem: what is wrong.
        remedy: what to do.
    """

    hdf5_path: str
    problem: str
    remedy: str


def altered(store: EmbeddingStore) -> list[str]:
    """Return the names of the columns and vectors that cannot be read or differ from their recorded sha256."""
    return [name for name in store.layout.names() if _digest(store, name) != store.header.digests[name]]


def verify(path: Path | str) -> list[Finding]:
    """Check all data and return what is wrong, nothing for a good store; flat memory."""
    try:
        with EmbeddingStore(path) as store:
            damaged = altered(store)
            findings = [Finding(f"/{name}", "does not match its recorded sha256", DAMAGED_REMEDY) for name in damaged]
            if not damaged:
                findings += [*_content(store), *_columns(store), *_vectors(store)]
            return findings
    except StoreError as error:
        return [Finding("/", error.problem, error.remedy)]


def _digest(store: EmbeddingStore, name: str) -> str | None:
    digest = Digest()
    try:
        for block in store.blocks(name, as_stored=True):
            digest.update(block)
    except DamagedStoreError:
        return None
    return digest.hexdigest()


def _content(store: EmbeddingStore) -> Iterator[Finding]:
    recorded = {**store.provenance.attributes(), **{name: store.header.digests[name] for name in store.layout.names()}}
    if content_digest(recorded.items()) != store.header.content_sha256:
        yield Finding("/", "the provenance attributes were altered after writing", DAMAGED_REMEDY)


def _columns(store: EmbeddingStore) -> Iterator[Finding]:
    remedy = "write the rows again with correct values"
    if (store.column("end_seconds") < store.column("start_seconds")).any():
        yield Finding("/end_seconds", "a clip ends before it starts", remedy)
    for row, text in enumerate(text for block in store.blocks("splits") for text in block):
        if not _is_json_object(text):
            yield Finding("/splits", f"row {row} is not a JSON object: {text[:80]!r}", remedy)
            return


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        return False


def _vectors(store: EmbeddingStore) -> Iterator[Finding]:
    for name in store.vector_names:
        present = store.present(name)
        start, problems = 0, set()
        for block in store.blocks(name):
            here = present[start : start + len(block)]
            start += len(block)
            if not np.isfinite(block).all():
                problems.add("holds NaN or infinity")
            if block[~here].any():
                problems.add(f"has values in rows without {modality(name)}")
        for problem in sorted(problems):
            yield Finding(f"/{name}", problem, "embed again")
