"""The pairs that the last run found, in one order for lists and neighbours; kept until run, verdicts or index change."""

import threading
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from evaluate.archive.duplicates import last_duplicates
from evaluate.archive.keep import MediaFacts, propose_kept
from evaluate.archive.last_run import LAST_RUN_FILE
from evaluate.archive.pairs import Duplicates, Pair
from evaluate.archive.scope import Agree
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.server.problems import NotFoundError, RefusedError
from evaluate.server.state.copies import Copies
from evaluate.server.state.opened_index import OpenedIndex, id_of

VerdictFilter = Literal["all", "open", "decided"]


@dataclass(frozen=True, eq=False)
class FoundPairs:
    """Pairs by group and falling score; those that a verdict takes out come last."""

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

    def neighbours(self, identity: str, verdict: VerdictFilter) -> dict[str, Any]:
        """Tell where a pair is in a list, and the ids beside it; the pair need not be in the list itself."""
        order, chosen = list(self.pairs), self.chosen(verdict)
        at = order.index(identity)
        before, after = ([each for each in some if each in chosen] for some in (order[:at], order[at + 1 :]))
        next_open = (each for each in (*order[at + 1 :], *order[:at]) if not self.pairs[each].verdict)
        return {
            "previous_id": before[-1] if before else None, "next_id": after[0] if after else None,
            "next_open_id": next(next_open, None), "position": len(before) + 1 if identity in chosen else None,
        }  # fmt: skip


class PairsFinder:
    """Lists the pairs of an index, and proposes which files to keep."""

    def __init__(self, opened: OpenedIndex, copies: Copies) -> None:
        self._opened, self._copies, self._lock = opened, copies, threading.Lock()
        self._kept = lru_cache(len(get_args(Agree)))(self._found)

    def last(self, agree: Agree) -> FoundPairs | None:
        """Return the pairs of the last run; None if there was none, AvtempoError if it or the verdicts cannot be read."""
        now, path = self._opened.now, self._opened.settings.index_folder / LAST_RUN_FILE
        with self._lock:
            if now.matcher is None or not path.is_file():
                return None
            return self._kept(agree, now.version, path.stat().st_mtime_ns, self._opened.verdicts.count())

    def _found(self, agree: Agree, *_: object) -> FoundPairs | None:
        found = last_duplicates(self._opened.now.index, agree=agree)
        return FoundPairs(found) if found else None

    def pair(self, identity: str, agree: Agree) -> tuple[FoundPairs, Pair]:
        """Return a pair, and all others with it; NotFoundError if there is none."""
        found = self.last(agree)
        if found is None or identity not in found.pairs:
            raise NotFoundError(f"there is no pair {identity}; list them anew, or find duplicates first")
        return found, found.pairs[identity]

    def proposed_of(self, found: FoundPairs, pair: Pair) -> tuple[str | None, str]:
        """Return which source of a pair is proposed to be kept instead of the other, if one is, and why; else why not."""
        group = found.group(pair)
        if group is None:
            return None, f"no proposal, it is {pair.verdict} by verdict"
        groups, told = (found.found.groups[group - 1],), list[str]()
        for each in propose_kept(replace(found.found, groups=groups), facts_of=self.facts):
            if each.name in (pair.one, pair.other):
                if each.copy_of in (pair.one, pair.other):
                    return each.copy_of, each.reason
                what = "is kept" if each.keeps else f"may go, as {each.copy_of} is kept"
                told.append(f"{each.name} {what} ({each.reason})")
        return None, "; ".join(told)

    def facts(self, source: IndexedSource) -> MediaFacts | None:
        """Probe a source's file; None if it cannot be read or may not be."""
        try:
            return self._copies.probed(self._opened.permitted(Path(source.path)))[1]
        except RefusedError:
            return None
