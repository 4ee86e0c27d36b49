"""Shard sets made to mislead: archives, arrays, strips, rows and marks that are whole of their kind, and wrong."""

import io
import json
import pickle
import tarfile
from pathlib import Path

import numpy as np

from tests.fuzz.hostile import JSON, Craft, Trap, pick
from tests.fuzz.mutate import mutate_values, odd_values


def _members(tar: Path) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(tar) as archive:
        return [(entry, archive.extractfile(entry).read()) for entry in archive.getmembers()]  # type: ignore[union-attr]


def _write_tar(tar: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    """Write an archive, and the index that fits it: only its contents are to mislead."""
    from preprocess.shards.shard_files import Member, Sample, index_text

    samples: list[Sample] = []
    with tar.open("wb") as file:
        for entry, data in members:
            entry.size = len(data)
            file.write(entry.tobuf(tarfile.GNU_FORMAT))
            key, _, suffix = entry.name.partition(".")
            member = Member(suffix, file.tell(), len(data))
            if samples and samples[-1].key == key:
                samples[-1] = Sample(key, (*samples[-1].members, member))
            else:
                samples.append(Sample(key, (member,)))
            file.write(data + bytes(-len(data) % 512))
        file.write(bytes(1024 + -(file.tell() + 1024) % 10240))
    if tar.with_suffix(".idx").exists():
        tar.with_suffix(".idx").write_text(index_text(samples))


def swapped_members(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """Two members hold each other's data."""
    del canary
    tar = pick(folder, "*.tar", rng)
    members = _members(tar)
    one, other = rng.choice(len(members), 2, replace=False)
    (a, data), (b, more) = members[one], members[other]
    members[one], members[other] = (a, more), (b, data)
    _write_tar(tar, members)


def hostile_members(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A member whose name leads out of the folder, or that is a link or a device."""
    tar = pick(folder, "*.tar", rng)
    members = _members(tar)
    entry, _ = members[rng.integers(len(members))]
    names = (f"../../{canary.name}", str(canary), entry.name, "a/../../b.json", ".json", "x", "\n.json")
    types = (tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
    entry.name, entry.type = names[rng.integers(len(names))], types[rng.integers(len(types))]
    entry.linkname = str(canary)
    _write_tar(tar, members)


def hostile_arrays(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A pickle, an array of objects, one that claims terabytes, or another type, in place of an array."""
    tar = pick(folder, "*.tar", rng)
    members = _members(tar)
    number = rng.choice([i for i, (entry, _) in enumerate(members) if entry.name.endswith(".npy")])
    _, data = members[number]
    objects = io.BytesIO()
    np.save(objects, np.array([Trap(canary)], object), allow_pickle=True)
    claim = data.replace(b"'shape': (", b"'shape': (9999999, 999, ", 1)
    other = io.BytesIO()
    np.save(other, np.full((3, 2), np.nan, ">f8"))
    zipped = io.BytesIO()
    np.savez(zipped, np.zeros(3))
    header = (
        b"\x93NUMPY\x01\x00\x76\x00" + b"{'descr': '<i8', 'fortran_order': False, 'shape': (2**99,)}".ljust(117) + b"\n"
    )
    choices = (pickle.dumps(Trap(canary)), objects.getvalue(), claim, other.getvalue(), zipped.getvalue(), header)
    members[number] = (members[number][0], choices[rng.integers(len(choices))])
    _write_tar(tar, members)


def hostile_strips(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A film strip that says to be larger than it is (ITU-T T.81, B.2.2: height and width follow the precision)."""
    del canary
    tar = pick(folder, "*.tar", rng)
    members = _members(tar)
    number = rng.choice([i for i, (entry, _) in enumerate(members) if entry.name.endswith(".jpg")])
    entry, data = members[number]
    at = data.index(b"\xff\xc0") + 5
    sizes = (b"\xff\xff\xff\xff", b"\x40\x00\x40\x00", b"\x00\x00\x00\x00", b"\x00\x10\xff\xff", b"\x00\x01\x00\x01")
    members[number] = (entry, data[:at] + sizes[rng.integers(len(sizes))] + data[at + 4 :])
    _write_tar(tar, members)


def odd_rows(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A table in which one cell holds another value of its type, or none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = pick(folder, "*.parquet", rng)
    table = pq.read_table(path)
    rows, field = table.to_pylist(), table.schema[int(rng.integers(len(table.schema)))]
    kind = {"bool": bool, "int64": int, "double": float}.get(str(field.type), str)
    fitting = [value for value in odd_values(str(canary)) if type(value) is kind and _fits(value)]
    is_null = field.nullable and (not fitting or rng.integers(5) == 0)
    value = None if is_null else [kind(), *fitting][rng.integers(1 + len(fitting))]
    for row in [rows[rng.integers(len(rows))]] if rng.integers(2) else rows:
        row[field.name] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def _fits(value: object) -> bool:
    return (not isinstance(value, int) or abs(value) < 2**62) and value != "\ud800"


def odd_mark(folder: Path, rng: np.random.Generator, canary: Path) -> None:
    """A shard's mark that says something odd of the shard."""
    import pyarrow.parquet as pq

    path = pick(folder, "shard-*.parquet", rng)
    table = pq.read_table(path)
    (name, text), *_ = table.schema.metadata.items()
    text = json.dumps(mutate_values(json.loads(text), rng, str(canary))).encode()
    pq.write_table(table.replace_schema_metadata({name: text}), path)


SHARDS: tuple[Craft, ...] = (
    swapped_members, hostile_members, hostile_arrays, hostile_strips, odd_rows, odd_rows, odd_mark, *JSON,
)  # fmt: skip
