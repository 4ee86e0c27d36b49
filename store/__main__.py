"""The command line of the store: info, verify, merge, export, search."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, TextIO

from store.errors import StoreError
from store.standard_streams import ESCAPING, guard_standard_streams

EXAMPLES = """\
examples:
  python -m store info runs/sample/embeddings/ucf101.h5
  python -m store verify runs/sample/embeddings/*.h5
  python -m store merge parts/*.h5 --out all.h5
  python -m store export sample.h5 --out sample.parquet
  python -m store export sample.h5 --out sample.npz --vectors video/features audio/features
  python -m store export sample.h5 --out columns.parquet --vectors
  python -m store search sample.h5 --query 00000012-00000 --k 5
  python -m store search sample.h5 --query 40 --vectors audio/features --exclude group
"""
EPILOG = f"""\
{EXAMPLES}
In Python: import store; help(store). The format is described in docs/reference/store-format.md.
Exit status: 0 fine, 1 verify found something wrong, 2 error, 130 interrupted.
"""


def _command(commands: Any, name: str, summary: str, details: str = "") -> argparse.ArgumentParser:
    examples = [line for line in EXAMPLES.splitlines() if f"store {name} " in line]
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {details}",
        epilog="\n".join(["examples:", *examples]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m store",
        description="Show, check, join, export and search HDF5 embedding stores.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    info = _command(commands, "info", "show what a store holds and where it comes from")
    info.add_argument("store", type=Path)
    info.add_argument("--json", action="store_true", help="print JSON for programs")

    verify = _command(commands, "verify", "read all data and verify it against the checksums")
    verify.add_argument("stores", type=Path, nargs="+", metavar="STORE")

    summary = "join parts, or stores of the same encoder and shard set, into one"
    merge = _command(commands, "merge", summary, "Parts are put in the order of their least key.")
    merge.add_argument("parts", type=Path, nargs="+", metavar="PART")
    merge.add_argument("--out", type=Path, required=True, help="the store to write; replaced if it is there")

    export = _command(commands, "export", "write Parquet (.parquet) or numpy (.npz)")
    export.add_argument("store", type=Path)
    export.add_argument("--out", type=Path, required=True, help="path ending in .parquet or .npz")
    export.add_argument("--vectors", nargs="*", metavar="NAME", help="which vectors; all by default, none if empty")

    details = "Similarity is the cosine. Clips without the modality are left out."
    search = _command(commands, "search", "find the clips most similar to one clip", details)
    search.add_argument("store", type=Path)
    search.add_argument("--query", required=True, metavar="KEY|ROW", help="key of a clip, or its row number from 0")
    search.add_argument("--vectors", default="video/features", metavar="NAME", help="default: %(default)s")
    search.add_argument("--k", type=int, default=5, help="how many (default: %(default)s)")
    excluded = "leave out the query itself, or all clips of its source or group (default: %(default)s)"
    search.add_argument("--exclude", choices=("row", "source", "group"), default="source", help=excluded)
    search.add_argument("--json", action="store_true", help="print JSON for programs")
    return parser


def _say(text: object, out: TextIO | None = None) -> None:
    """Write a line that cannot move the cursor or colour the terminal: names in a store come from anywhere."""
    escaped = str(text).encode("utf-8", ESCAPING).decode()
    plain = "".join(each if each.isprintable() else repr(each)[1:-1] for each in escaped)
    (out or sys.stdout).write(plain + "\n")


def _info(arguments: argparse.Namespace) -> int:
    from store.reader import EmbeddingStore

    with EmbeddingStore(arguments.store) as store:
        facts: dict[str, Any] = {
            "rows": store.n_rows,
            "sources": len(set(store.column("source"))),
            "with_video": int(store.column("has_video").sum()),
            "with_audio": int(store.column("has_audio").sum()),
            "vectors": {name: f"{n_dims} x {dtype}" for name, (n_dims, dtype) in store.layout.vectors.items()},
            **store.provenance.__dict__,
            "content_sha256": store.header.content_sha256,
            "created_by": store.header.created_by,
        }
    if arguments.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return 0
    for name, value in facts.items():
        _say(f"{name:<20}{json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value}")
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from store.verify import verify

    status = 0
    for path in arguments.stores:
        findings = verify(path)
        status = 1 if findings else status
        for each in findings or (f"{path}: ok",):
            _say(each)
    return status


def _merge(arguments: argparse.Namespace) -> int:
    from store.reader import EmbeddingStore
    from store.writer import join_parts

    join_parts(arguments.parts, arguments.out)
    _say(f"{arguments.out}: {len(EmbeddingStore(arguments.out))} rows from {len(arguments.parts)} parts")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from store.export import export
    from store.reader import EmbeddingStore

    with EmbeddingStore(arguments.store) as store:
        export(store, arguments.out, arguments.vectors)
        _say(f"{arguments.out}: {store.n_rows} rows, {arguments.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _search(arguments: argparse.Namespace) -> int:
    from store.reader import EmbeddingStore
    from store.search import similar_clips

    with EmbeddingStore(arguments.store) as store:
        clips = similar_clips(store, arguments.query, arguments.vectors, arguments.k, arguments.exclude)
    if arguments.json:
        query, *neighbours = clips.to_dict("records")
        sys.stdout.write(json.dumps({"query": query, "neighbours": neighbours}, indent=2) + "\n")
        return 0
    _say(f"{arguments.vectors}; the first row is the query")
    clips["seconds"] = [f"{a:.2f}-{b:.2f}" for a, b in zip(clips["start_seconds"], clips["end_seconds"], strict=True)]
    shown = clips[["row", "score", "key", "source", "seconds", "label", "label_name"]]
    for line in shown.to_string(index=False, float_format="{:.4f}".format).split("\n"):
        _say(line)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    guard_standard_streams()
    arguments = build_parser().parse_args(argv)
    commands = {"info": _info, "verify": _verify, "merge": _merge, "export": _export, "search": _search}
    try:
        return commands[arguments.command](arguments)
    except StoreError as error:
        _say(f"error: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
