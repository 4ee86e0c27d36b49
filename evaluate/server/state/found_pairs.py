"""The pairs that the last run found, in one order for lists and neighbours; kept until run, verdicts or index change."""

import threading
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from evaluate.archive.duplicates import last_duplicates
from evaluate.archive.keep import Decision, MediaFacts, media_facts, propose_kept
from evaluate.archive.last_run import LAST_RUN_FILE
from evaluate.archive.pairs import Duplicates, Pair
from evaluate.archive.scope import Agree
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.state.opened_index import OpenedIndex, id_of

VerdictFilter = Literal["all", "open", "decided"]


@dataclass(frozen=True)
class Neighbours:
    """Where a pair is in a list; ids are None where there is none."""

    previous_id: str | None
    next_id: str | None
    next_open_id: str | None
    position: int | None


@dataclass(frozen=True, eq=False)
class FoundPairs:
    """Pairs by group and falling score; those that a verdict takes out come last.

    Attributes:
        found: from `last_duplicates`.
    """

    found: Duplicates

    @cached_property
    def groups(self) -> dict[str, int]:
        """Name of a source -> number of its group, from 1."""
        return {name: number for number, names in enumerate(self.found.groups, 1) for name in names}

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Id -> pair, in order."""
        ranked = sorted(self.found.pairs, key=lambda each: (self.groups[each.one], -each.score))
        ranked += sorted(self.found.set_aside, key=lambda each: -each.score)
        return {id_of(each.one, each.other): each for each in ranked}

    def chosen(self, verdict: VerdictFilter) -> dict[str, Pair]:
        """Return the pairs of a list."""
        if verdict == "all":
            return self.pairs
        return {each: pair for each, pair in self.pairs.items() if bool(pair.verdict) == (verdict == "decided")}

    def group(self, pair: Pair) -> int | None:
        """Return the number of a pair's group; None if a verdict takes it out."""
        is_out = pair.verdict in ("different", "ignored")
        return None if is_out else self.groups.get(pair.one)

    def pair(self, identity: str) -> Pair:
        """Return a pair.

        Raises:
            NotFoundError: there is none.
        """
        pair = self.pairs.get(identity)
        if pair is None:
            raise NotFoundError(f"there is no pair {identity}; list them anew")
        return pair

    def neighbours(self, identity: str, verdict: VerdictFilter) -> Neighbours:
        """Find the pairs of a list beside one, which need not be in it itself."""
        order, chosen = list(self.pairs), self.chosen(verdict)
        at = order.index(identity)
        before = [each for each in order[:at] if each in chosen]
        after = [each for each in order[at + 1 :] if each in chosen]
        open_ones = [each for each in (*order[at + 1 :], *order[:at]) if not self.pairs[each].verdict]
        return Neighbours(
            before[-1] if before else None, after[0] if after else None, open_ones[0] if open_ones else None,
            len(before) + 1 if identity in chosen else None,
        )  # fmt: skip


class PairsFinder:
    """Lists the pairs of an index, and proposes which files to keep.

    Args:
        opened: the index.
    """

    def __init__(self, opened: OpenedIndex) -> None:
        self._opened, self._lock = opened, threading.Lock()
        self._kept = dict[Agree, tuple[tuple[object, ...], FoundPairs | None]]()

    def last(self, agree: Agree) -> FoundPairs | None:
        """Return the pairs of the last run; None if there was none.

        Raises:
            AvtempoError: the file of the last run, or the verdicts, cannot be read.
        """
        now, path = self._opened.now, self._opened.settings.index_folder / LAST_RUN_FILE
        with self._lock:
            if now.matcher is None or not path.is_file():
                return None
            state = now.version, path.stat().st_mtime_ns, self._opened.verdicts.count()
            if agree not in self._kept or self._kept[agree][0] != state:
                found = last_duplicates(now.index, agree=agree)
                self._kept[agree] = state, FoundPairs(found) if found else None
            return self._kept[agree][1]

    def proposed(self, found: Duplicates, order: tuple[str, ...]) -> tuple[Decision, ...]:
        """Propose which sources of the groups to keep; files that may not be read count as unreadable, and are kept."""
        names = {name for names in found.groups for name in names}
        sources = {**found.sources, **{name: self._readable(found.sources[name]) for name in names}}
        decisions = propose_kept(replace(found, sources=sources), order)
        return tuple(replace(each, path=found.sources[each.name].path) for each in decisions)

    def facts(self, source: IndexedSource) -> MediaFacts | None:
        """Probe a source's file; None if it cannot be read or may not be."""
        return media_facts(self._readable(source))

    def _readable(self, source: IndexedSource) -> IndexedSource:
        try:
            return replace(source, path=str(self._opened.permitted(Path(source.path))))
        except RefusedError:
            return replace(source, path="")
