"""Finds all copies and partial copies inside an archive; the next run may compare new sources only."""

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from evaluate.archive.compare import Comparison
from evaluate.archive.last_run import LastRun, identity, last_compared, load_run, save_run
from evaluate.archive.pairs import Duplicates, list_duplicates
from evaluate.archive.scope import Agree, Scope, compared_with
from evaluate.archive.segments import swapped
from evaluate.archive.verdicts import Verdicts
from evaluate.fingerprint.answer.matcher import DEFAULT_FALSE_POSITIVE_RATE
from evaluate.fingerprint.api import Index
from evaluate.fingerprint.describe.descriptors import Descriptors, read_descriptors
from evaluate.fingerprint.describe.extract import ExtractOptions
from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.index.archive import Archive, IndexedSource
from evaluate.fingerprint.index.library import Library
from evaluate.fingerprint.match.chance import threshold
from evaluate.fingerprint.match.matches import Match
from preprocess.executors.processes import SerialExecutor

SAVE_EVERY_SECONDS = 300.0
MIRRORED = View(is_mirrored=True)
DECODING = "decoding, to compare mirrored"
SAME_SHARE = 0.5
"""Spans of a pair that share more than this of the shorter one, on both sides, say the same."""


def find_duplicates(
    index: Index, *, scope: Scope | None = None, since_last: bool = False, workers: int = 0,
    false_positive_rate: float = DEFAULT_FALSE_POSITIVE_RATE, progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Duplicates:  # fmt: skip
    """Compare all sources of an index with each other, and apply the verdicts beside it.

    With `since_last` only sources are compared that are new since the last run of this scope, or that a killed run had
    left. `workers` are processes that decode sources to compare them mirrored, as in `Index.add`. `false_positive_rate` is
    the share of sources that may get a false match. `progress` is told sources done and all, and ""; while they are decoded,
    bytes and a note.

    Raises:
        FingerprintError: the index is empty, or a pattern of the scope fits nothing.
        StoreError: a part is damaged.
        VerdictError: the verdicts cannot be read.
    """
    scope, archive, library = scope or Scope(), index.archive, index.matcher(false_positive_rate).library
    sources = _readable(archive, library)
    compared = {**scope.compared(), "false_positive_rate": false_positive_rate}
    run = load_run(archive, compared, list(sources.values())) if since_last else LastRun()
    among, before = compared_with(scope, library.sources, sources), set(run.done)
    new = {name for name, source in sources.items() if identity(source) not in before}
    described, n, unread = {PLAIN: archive}, len(new), set[str]()
    if scope.is_mirrored:
        options = ExtractOptions(archive.hop_seconds, workers, executor=None if workers else SerialExecutor())
        mirrored = index.beside("mirrored", options, lambda at, all_, _: progress(at, all_, DECODING))
        described = {MIRRORED: mirrored, PLAIN: archive}
        read = _readable(mirrored, library).keys()
        unread = mirrored.sources().keys() - read
        n += len(new & read)
    comparison = Comparison(library, _rate_a_view(compared))
    numbers = {name: number for number, name in enumerate(library.sources)}
    found, done, saved = list(run.matches), list(run.done), time.monotonic()

    def save() -> list[Match]:
        matches = merged(found)
        save_run(archive, compared, LastRun(tuple(done), tuple(matches)))
        return matches

    try:
        for n_done, (view, each) in enumerate(_described(described, new), 1):
            spans = comparison.matches(each, among(numbers[each.source]))
            if view == PLAIN:
                found += spans
                done += [identity(sources[each.source])] if each.source not in unread else []
            else:  # audio is the same in both, and tells nothing of the view
                found += [replace(span, view=view) for span in spans if (span.video_score or 0) > 0]
            progress(n_done, n, "")
            if time.monotonic() - saved > SAVE_EVERY_SECONDS:
                save()
                saved = time.monotonic()
    except KeyboardInterrupt:
        if since_last:  # a run of everything that was stopped soon does not replace a complete one
            save()
        raise
    least = comparison.threshold
    return list_duplicates(save(), library, sources, scope, Verdicts(index.folder), n_compared=len(new), least=least)


def last_duplicates(index: Index, *, agree: Agree = "any") -> Duplicates | None:
    """List what the last run found, with the verdicts of today; nothing is compared. None if there was no run.

    FingerprintError if the index is empty, or the file of the last run is damaged; VerdictError if the verdicts are.
    """
    archive = index.archive
    compared = last_compared(archive)
    if compared is None:
        return None
    library, least = index.matcher().library, threshold(_rate_a_view(compared))
    sources, verdicts = _readable(archive, library), Verdicts(index.folder)
    run = load_run(archive, compared, list(sources.values()))
    return list_duplicates(run.matches, library, sources, Scope(agree=agree), verdicts, n_compared=0, least=least)


def _readable(archive: Archive, library: Library) -> dict[str, IndexedSource]:
    """Return the sources that were read and are in memory: another process may have added some since."""
    known = set(library.sources)
    return {name: source for name, source in archive.sources().items() if name in known and not source.reason}


def _rate_a_view(compared: Mapping[str, Any]) -> float:
    """Return the accepted share of sources with a false match, in equal parts for plain and mirrored ones."""
    return float(compared["false_positive_rate"]) / (2 if "is_mirrored" in compared else 1)


def _described(described: Mapping[View, Archive], names: Collection[str]) -> Iterator[tuple[View, Descriptors]]:
    """Read the descriptors of some sources, one part at a time; the plain ones last, after which a source is done."""
    for view, archive in described.items():
        for part in archive.parts():
            chosen = [source.name for source in part.sources if source.name in names and not source.reason]
            if chosen:
                for each in read_descriptors(archive.part_path(part.number), chosen, archive.provenance):
                    yield view, each


def merged(matches: Iterable[Match]) -> list[Match]:
    """Bring the names of all spans in order, and keep one of those that say the same: pairs are compared twice.

    It is the longest one; of plain and mirrored ones, that with the best score.
    """
    kept = defaultdict[tuple[str, str], list[Match]](list)
    for match in sorted(matches, key=lambda each: (-each.query_seconds - each.reference_seconds, -each.score)):
        match = match if match.query < match.reference else swapped(match)  # noqa: PLW2901
        before = kept[match.query, match.reference]
        if not any(one.view == match.view and _is_same(match, one) for one in before):
            before.append(match)

    def is_best(match: Match, others: list[Match]) -> bool:
        return not any(one.view != match.view and one.score > match.score and _is_same(match, one) for one in others)

    return [match for _, each in sorted(kept.items()) for match in _apart(one for one in each if is_best(one, each))]


def _apart(matches: Iterable[Match]) -> list[Match]:
    """Cut the spans of a pair where their ends overlap, on both sides: a clip that holds a cut agrees with what is before it."""
    apart = list(matches)
    for _ in range(2):
        apart = sorted(map(swapped, apart), key=lambda each: (each.query_start_seconds, each.query_end_seconds))
        for at in range(len(apart) - 1):
            before, after = apart[at : at + 2]
            overlap = before.query_end_seconds - after.query_start_seconds
            if 0 < overlap <= SAME_SHARE * min(before.query_seconds, after.query_seconds):
                middle = after.query_start_seconds + overlap / 2
                apart[at : at + 2] = before.cut(end=middle), after.cut(middle)
    return apart


def _is_same(one: Match, other: Match) -> bool:
    """Whether most of the shorter span lies in the other one, on both sides."""
    for a, b in ((one, other), (swapped(one), swapped(other))):
        start, end = max(a.query_start_seconds, b.query_start_seconds), min(a.query_end_seconds, b.query_end_seconds)
        if end - start <= SAME_SHARE * min(a.query_seconds, b.query_seconds):
            return False
    return True
