"""Answers as a table for the terminal and as a list of records for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluate.fingerprint.match.matches import Answer, Match

if TYPE_CHECKING:
    from rich.table import Table

_SPANS = ("query_start_seconds", "query_end_seconds", "reference_start_seconds", "reference_end_seconds")
_EDITS = ("matched_by", "mirrored", "turned_degrees", "speed", "region")
_SCORES = ("score", "video_score", "audio_score")


def records(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Make a record for each match, best first; a query without a decided match also gets one whose reference is null.

    Candidates below the threshold have decision false. `reason` says why a reference is null: "no match", also because
    many sources are alike, that the query carries too little evidence to decide, or why it could not be read.
    """
    found: list[dict[str, Any]] = []
    for answer in answers:
        if not answer.decided:
            found.append(record(None, answer.query, answer.reason))
        found += [record(match, answer.query) for match in answer.matches]
    return found


def record(match: Match | None, query: str, reason: str = "") -> dict[str, Any]:
    """Make the record of a match, or of why there is none."""
    return {
        "query": query,
        "reference": match.reference if match else None,
        **{name: _rounded(getattr(match, name, None)) for name in (*_SPANS, *_SCORES)},
        **(_edits(match) if match else dict.fromkeys(_EDITS)),
        "decision": bool(match and match.decision),
        "reason": reason,
    }


def _edits(match: Match) -> dict[str, Any]:
    region = match.view.region
    return dict(zip(_EDITS, (
        match.matched_by, match.view.is_mirrored, match.view.turned_degrees, _rounded(match.speed),
        [_rounded(side) for side in (region.left, region.top, region.right, region.bottom)],
    ), strict=True))  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def answers_table(answers: Sequence[Answer], threshold: float) -> "Table":
    """Make a table with a row for each decided match, or for each candidate of a query that could not be decided."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"matches (score from {threshold:.3f})", title_justify="left")
    for name in ("query", "reference"):
        table.add_column(name, overflow="fold")
    for name in ("query, s", "reference, s", "score"):
        table.add_column(name, justify="right", no_wrap=True)

    def add(match: Match, style: str) -> None:
        table.add_row(
            escape(match.query), escape(match.reference), f"{match.query_start_seconds:.1f}-{match.query_end_seconds:.1f}",
            f"{match.reference_start_seconds:.1f}-{match.reference_end_seconds:.1f}", f"{match.score:.3f}", style=style,
        )  # fmt: skip

    for answer in answers:
        for match in answer.decided:
            add(match, "")
        if answer.unreadable:
            table.add_row(escape(answer.query), f"[red]cannot be read: {escape(answer.unreadable)}[/red]", "", "", "")
        elif not answer.decided:
            best = f"{answer.matches[0].score:.3f}" if answer.matches else ""
            table.add_row(escape(answer.query), f"[dim]{escape(answer.reason)}[/dim]", "", "", f"[dim]{best}[/dim]")
            for match in () if answer.is_decidable else answer.matches:
                add(match, "dim")
    return table
