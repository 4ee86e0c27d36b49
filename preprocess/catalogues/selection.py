"""Choices of the command line: some classes of a data set, and a preset with changed values."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from preprocess.errors import CatalogueError, PreprocessError
from preprocess.schema import PRESETS, ShardParams
from preprocess.sources import Catalogue


def only_classes(catalogue: Catalogue, names: Sequence[str], root: Path) -> Catalogue:
    """Keep the sources of some classes; labels stay those of the whole data set.

    `root` is for the error. Missing and extra files are kept if their path has a folder named like a kept class.

    Raises:
        CatalogueError: a class has no source.
    """
    wanted = {name for text in names for name in text.split(",") if name}
    kept = [source for source in catalogue.sources if source.label_name in wanted]
    if unknown := sorted(wanted - {source.label_name for source in kept}):
        known = sorted({source.label_name for source in catalogue.sources if source.label_name})
        there = ", ".join(known[:20]) + (" ..." if len(known) > 20 else "") if known else "no labels at all"
        raise CatalogueError(root, f"has no source of class {', '.join(unknown)}; there are {there}")

    def of_class(name: str) -> bool:
        return not wanted.isdisjoint(name.split("/")[:-1])

    return dataclasses.replace(
        catalogue,
        sources=tuple(dataclasses.replace(source, index=index) for index, source in enumerate(kept)),
        missing=tuple(name for name in catalogue.missing if of_class(name)),
        extra=tuple(name for name in catalogue.extra if of_class(name)),
    )


def changed_params(preset: str, changes: Sequence[str]) -> ShardParams:
    """Give a preset with some values changed, each as "name=value".

    Raises:
        PreprocessError: no such name, or a value that is of another type or out of range.
    """
    params = PRESETS[preset]
    known = params.as_dict()
    values: dict[str, str | int | float] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        if not equals or name not in known:
            raise PreprocessError(f"--set {change}: write NAME=VALUE, NAME one of {', '.join(known)}")
        try:
            values[name] = type(known[name])(text)
        except ValueError as error:
            kind = "a whole number" if isinstance(known[name], int) else "a number"
            raise PreprocessError(f"--set {change}: {name} is {kind}") from error
    try:
        return ShardParams(**(known | values))  # type: ignore[arg-type]
    except ValueError as error:
        raise PreprocessError(
            f"--preset {preset} {' '.join(f'--set {change}' for change in changes)}: {error}"
        ) from error
