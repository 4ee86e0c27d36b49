"""Checking a store against its own checksums and against the rules that HDF5 does not know."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from store.errors import DAMAGED_REMEDY, DamagedStoreError, StoreError
from store.layout import digest_bytes, modality
from store.reader import EmbeddingStore


def altered(store: EmbeddingStore) -> list[str]:
    """Return the names of the columns and vectors that cannot be read or differ from their recorded sha256."""
    return [name for name in store.layout.names() if not _matches(store, name)]


def verify(path: Path | str) -> list[StoreError]:
    """Check all data and return what is wrong, nothing for a good store; flat memory."""
    try:
        with EmbeddingStore(path) as store:
            problems = [(f"/{name}: does not match its recorded sha256", DAMAGED_REMEDY) for name in altered(store)]
            problems = problems or [*_broken_rules(store), *_broken_vectors(store)]
            return [StoreError(store.path, *each) for each in problems]
    except StoreError as error:
        return [error]


def _matches(store: EmbeddingStore, name: str) -> bool:
    digest = hashlib.sha256()
    try:
        for block in store.blocks(name, as_stored=True):
            digest.update(digest_bytes(block))
    except DamagedStoreError:
        return False
    return digest.hexdigest() == store.header.digests[name]


def _broken_rules(store: EmbeddingStore) -> Iterator[tuple[str, str]]:
    """Yield the problem and the remedy of each broken rule for columns."""
    remedy = "write the rows again with correct values"
    if (store.column("end_seconds") < store.column("start_seconds")).any():
        yield "/end_seconds: a clip ends before it starts", remedy
    for row, text in enumerate(text for block in store.blocks("splits") for text in block):
        if not _is_json_object(text):
            yield f"/splits: row {row} is not a JSON object: {text[:80]!r}", remedy
            return


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        return False


def _broken_vectors(store: EmbeddingStore) -> Iterator[tuple[str, str]]:
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
            yield f"/{name}: {problem}", "embed again"
