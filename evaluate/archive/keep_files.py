"""Proposals as files: CSV, JSON, or a shell script that moves copies away, or links them, when the user runs it."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from evaluate.archive.keep import Decision, MediaFacts
from evaluate.archive.span_files import write_csv, write_json
from evaluate.errors import EvaluateError
from preprocess.sources import escaped_name
from store.atomic_files import replacing

_SCRIPT = """\
#!/bin/sh
# Moves copies to another folder{links}. Nothing is deleted or overwritten.
# sh SCRIPT shows what it would do; sh SCRIPT --run does it.
set -eu
if [ "${{1-}}" = --run ]; then act() {{ "$@"; }}; else act() {{ printf '%s ' would "$@"; printf '\\n'; }}; fi
away() {{ # copy, kept, place
    if [ ! -f "$1" ] || [ ! -f "$2" ] || [ "$1" -ef "$2" ] || [ -e "$3" ]; then
        printf 'left: %s\\n' "$1"
        return
    fi
{link}    act mkdir -p -- "${{3%/*}}"
    act mv -n -- "$1" "$3"
{place}}}
"""
_LINK = """\
    act ln -L -- "$2" "$1.link" || {  # on another disk: nothing is moved
        printf 'left: %s\\n' "$1"
        return
    }
"""


def check_keep_suffix(path: Path) -> None:
    """Raise EvaluateError, before the work is done, if the suffix names no format."""
    if path.suffix not in (".csv", ".json", ".sh"):
        raise EvaluateError(f"{path}: proposals are written as .csv, .json or .sh")


def write_decisions(path: Path, decisions: Sequence[Decision], moves_to: Path, *, links: bool = False) -> None:
    """Write proposals by the suffix of the path: .csv, .json or .sh; EvaluateError for another, WriteError on a full disk.

    The script moves copies to the folder `moves_to`, under their names; with `links` it leaves a hard link to the kept file.
    """
    check_keep_suffix(path)
    if path.suffix == ".sh":
        with replacing(path) as temporary:
            temporary.write_bytes(os.fsencode(_script(decisions, moves_to, links=links)))
        return
    names = [field.name for field in (*fields(Decision), *fields(MediaFacts)) if field.name != "facts"]
    rows = [
        {name: getattr(each, name, getattr(each.facts, name, None)) for name in names}
        | {"path": escaped_name(each.path)}
        for each in decisions
    ]
    if path.suffix == ".json":
        write_json(path, rows)
    else:
        write_csv(path, names, rows)


def _script(decisions: Sequence[Decision], moves_to: Path, *, links: bool) -> str:
    paths = {each.name: each.path for each in decisions}
    text = _SCRIPT.format(
        links=", and leaves hard links to what is kept" if links else "", link=_LINK if links else "",
        place='    act mv -n -- "$1.link" "$1"\n' if links else "",
    )  # fmt: skip
    for each in decisions:
        if not each.keeps:
            # Absolute paths: none begins with a dash. Quoted, so a name may hold anything, also a line break.
            below = Path(each.path).parts[-1 - each.name.count("/") :]
            place = str(moves_to.absolute().joinpath(*below))
            text += f"away {shlex.join([each.path, paths[each.copy_of], place])}\n"
    return text
