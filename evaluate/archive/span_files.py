"""Spans as JSON for programs, CSV for tables, EDL (CMX 3600) and OpenTimelineIO for video editors, and as a page."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from evaluate.archive.pairs import Duplicates
from evaluate.archive.segments import query_place, swapped
from evaluate.archive.timelines import Event, Timeline, write_timelines
from evaluate.errors import EvaluateError
from evaluate.fingerprint.answer.answers import record, records
from evaluate.fingerprint.index.archive import IndexedSource
from evaluate.fingerprint.match.matches import Answer, Match
from evaluate.fingerprint.page import write_page
from store.atomic_files import replacing

EDL_EVENTS = 999
"""CMX 3600 numbers events with three digits."""
_PLACE = ("query", "query_start_seconds", "query_end_seconds")
_OF_PAIR = ("one_share", "other_share", "video", "audio", "verdict")
"""Fields of a pair in tables and timelines."""
SUFFIXES = (".json", ".csv", ".edl", ".otio")
Side = tuple[str, float, float, str, str]
"""Name of a source, start and end in seconds, note, channels."""


def check_suffix(path: Path, fps: float) -> None:
    """Raise EvaluateError before the work is done if the suffix names no format, or no clock has this rate."""
    if path.suffix not in SUFFIXES:
        raise EvaluateError(f"{path}: spans are written as {', '.join(SUFFIXES)}; give a name that ends so")
    if not 1 <= fps <= 1000:
        raise EvaluateError(f"{path}: a timecode cannot count {fps} frames/s; give --fps from 1 to 1000")


def write_matches(
    path: Path, answers: Sequence[Answer], fps: float, queries: Mapping[str, Path], sources: Mapping[str, IndexedSource]
) -> None:
    """Write matches by the suffix of the path.

    An EDL lays the queries one after another, made of their references. OpenTimelineIO has a timeline for each query. The
    rate `fps` is that of an EDL, and of files without video.
    """
    check_suffix(path, fps)
    if path.suffix == ".json":
        write_json(path, records(answers))
    elif path.suffix == ".csv":
        rows = records(answers)
        write_csv(path, list(rows[0]) if rows else [], rows)
    elif path.suffix == ".otio":
        files = [(each, (queries[each.query], each.seconds)) for each in answers if each.decided]
        write_timelines(path, [Timeline(one.query, file, _layers(one.decided, sources)) for one, file in files], fps)
    else:
        events, at = list[Event](), 0.0
        for answer in answers:
            for layer in _layers(answer.decided, sources)[:1]:
                events += [replace(each, record_seconds=at + each.record_seconds) for each in layer]
            at += answer.seconds
        _write_edl(path, events, fps)


def write_duplicates(path: Path, found: Duplicates, fps: float) -> None:
    """Write duplicates by the suffix of the path.

    An EDL shows both sides of each span, then each place of a segment. OpenTimelineIO has a timeline for each pair, and one
    with all places for each segment.
    """
    check_suffix(path, fps)
    if path.suffix == ".json":
        write_json(path, _values(found))
    elif path.suffix == ".csv":
        names = ["kind", "number", *(field.name for field in fields(Match)), *_OF_PAIR]
        write_csv(path, names, [*_pair_rows(found), *_segment_rows(found)])
    elif path.suffix == ".otio":
        write_timelines(path, [*_pair_timelines(found), *_segment_timelines(found)], fps)
    else:
        _write_edl(path, _one_after_another(_sides(found), found.sources), fps)


def _values(found: Duplicates) -> dict[str, Any]:
    values: dict[str, Any] = {"threshold": found.threshold, "n_compared": found.n_compared, "groups": found.groups}
    values |= {"pairs": [*map(asdict, found.pairs)], "set_aside": [*map(asdict, found.set_aside)]}
    for name, segments in (("segments", found.segments), ("ignored", found.ignored)):
        values[name] = [{"n_sources": each.n_sources, "seconds": each.seconds, **asdict(each)} for each in segments]
    return values


def _pair_rows(found: Duplicates) -> Iterator[dict[str, Any]]:
    """Yield a row a span; one row of a pair that has none, as one that a person called the same."""
    for number, pair in enumerate(found.pairs, 1):
        of_pair = {name: getattr(pair, name) for name in _OF_PAIR}
        row: dict[str, Any] = {"kind": "pair", "number": number, "query": pair.one, "reference": pair.other, **of_pair}
        for span in pair.spans:
            yield {**row, **asdict(span), "view": json.dumps(asdict(span.view))}
        if not pair.spans:
            yield row


def _segment_rows(found: Duplicates) -> Iterator[dict[str, Any]]:
    for number, segment in enumerate(found.segments, 1):
        for place in segment.places:
            yield {"kind": "segment", "number": number, **dict(zip(_PLACE, place, strict=True))}


def _pair_timelines(found: Duplicates) -> Iterator[Timeline]:
    for pair in found.pairs:
        one, of_pair = found.sources[pair.one], {name: getattr(pair, name) for name in _OF_PAIR}
        layers = _layers(pair.spans, found.sources)
        yield Timeline(f"{pair.one} | {pair.other}", (Path(one.path), one.seconds), layers, of_pair)


def _segment_timelines(found: Duplicates) -> Iterator[Timeline]:
    for number, segment in enumerate(found.segments, 1):
        sides = [(*place, "", "B") for place in segment.places]
        yield Timeline(f"segment {number}", None, [_one_after_another(sides, found.sources)])


def _sides(found: Duplicates) -> Iterator[Side]:
    for number, pair in enumerate(found.pairs, 1):
        for span in pair.spans:
            for side in (span, swapped(span)):
                yield *query_place(side), f"PAIR {number}: SCORE {span.score:.1f}", _channels(span)
    for number, segment in enumerate(found.segments, 1):
        for place in segment.places:
            yield *place, f"SEGMENT {number}", "B"


def write_duplicates_page(path: Path, found: Duplicates) -> None:
    """Write a page that shows both sides of each span, by source; then the places of each segment beside its first."""
    matches = [span for pair in found.pairs for span in pair.spans]
    for segment in found.segments:
        (name, start, end), *others = segment.places
        matches += [Match(name, other, start, end, first, last, 0.0, decision=True) for other, first, last in others]
    answers = defaultdict[str, list[Match]](list)
    for match in matches:
        answers[match.query].append(match)
    files = {name: (Path(source.path), source.seconds) for name, source in found.sources.items()}
    shown = [Answer(name, files[name][1], tuple(each)) for name, each in answers.items()]
    write_page(path, shown, {name: file for name, (file, _) in files.items()}, files, found.threshold)


def _layers(matches: Sequence[Match], sources: Mapping[str, IndexedSource]) -> list[list[Event]]:
    """Lay matches on tracks, the best first: a track has one source at a time. Events are in order of time."""
    layers = list[list[Match]]()
    for match in sorted(matches, key=lambda each: -each.score):
        start, end = match.query_start_seconds, match.query_end_seconds
        for layer in layers:
            if all(end <= each.query_start_seconds or each.query_end_seconds <= start for each in layer):
                layer.append(match)
                break
        else:
            layers.append([match])
    return [sorted((_event(each, sources) for each in layer), key=lambda each: each.record_seconds) for layer in layers]


def _event(match: Match, sources: Mapping[str, IndexedSource]) -> Event:
    notes, path = (f"QUERY: {match.query}", f"SCORE: {match.score:.1f}"), Path(sources[match.reference].path)
    start, end, told = match.reference_start_seconds, match.reference_end_seconds, record(match, match.query)
    at, seconds = match.query_start_seconds, match.query_seconds
    return Event(match.reference, path, start, end, at, seconds, _channels(match), notes, told)


def _one_after_another(sides: Iterable[Side], sources: Mapping[str, IndexedSource]) -> list[Event]:
    events, at = list[Event](), 0.0
    for name, start, end, note, channels in sides:
        events.append(Event(name, Path(sources[name].path), start, end, at, end - start, channels, (note,)))
        at += end - start
    return events


def _channels(match: Match) -> str:
    return "A" if match.video_score is None else "V" if match.audio_score is None else "B"


def write_json(path: Path, value: object) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table with a header, whole or not at all; a cell may hold line breaks, but no formula of a spreadsheet."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows({name: _no_formula(value) for name, value in row.items()} for row in rows)


def _no_formula(value: Any) -> Any:
    """Put an apostrophe before text that a spreadsheet would calculate: names are other people's words."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _write_edl(path: Path, events: Sequence[Event], fps: float) -> None:
    if len(events) > EDL_EVENTS:
        raise EvaluateError(f"{path}: {len(events)} events, an EDL holds {EDL_EVENTS}: narrow the scope, or write .csv")
    lines = [f"TITLE: {_plain(path.stem)}", "FCM: NON-DROP FRAME", ""]
    for number, event in enumerate(events, 1):
        first, record = round(event.start_seconds * fps), round(event.record_seconds * fps)
        end = round((event.record_seconds + event.length_seconds) * fps)  # where the next event begins
        last = first + round((end - record) * event.speed)
        times = " ".join(_timecode(frame, fps) for frame in (first, last, record, end))
        lines.append(f"{number:03d}  AX       {event.channels}     C        {times}")
        if event.speed != 1:
            lines.append(f"M2   AX       {event.speed * fps:05.1f}                {_timecode(first, fps)}")
        lines += [f"* FROM CLIP NAME: {_plain(event.source)}", *(f"* {_plain(note)}" for note in event.notes)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _plain(text: str) -> str:
    """Keep a name on its line."""
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)


def _timecode(frame: int, fps: float) -> str:
    seconds, frames = divmod(frame, round(fps))
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"
