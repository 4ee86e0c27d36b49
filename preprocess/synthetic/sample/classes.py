"""The classes of the sample world: the event of each, and its twin, the class that is easily mistaken for it."""

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["rise", "approach", "kindle", "part", "tap", "orbit", "swing"]
Difference = Literal["time", "rhythm", "picture", "sound"]


@dataclass(frozen=True)
class EventClass:
    """One class: an event (motion and sound together) and the single difference from its twin."""

    name: str  # as in `classInd.txt`
    kind: EventKind  # shared with the twin
    variant: Literal[0, 1]  # which of the two
    twin: str  # name of the class that differs in one thing only
    difference: Difference  # "time": the twin is the same event run backwards (sounds and trails apart)
    description: str  # one sentence for people


_EVENTS: dict[tuple[EventKind, Difference], tuple[tuple[str, str], tuple[str, str]]] = {
    ("rise", "time"): (
        ("Rising", "climbs swaying through the picture; the pitch of an even beat climbs with it"),
        ("Falling", "sinks swaying through the picture; the pitch of an even beat sinks with it"),
    ),
    ("approach", "time"): (
        ("Coming", "grows as it comes near; its beat gets louder"),
        ("Going", "shrinks as it goes away; its beat gets softer"),
    ),
    ("kindle", "time"): (
        ("Kindling", "goes from dark to glowing; its beat quickens"),
        ("Fading", "goes from glowing to dark; its beat slows down"),
    ),
    ("part", "time"): (
        ("Parting", "its two halves drift apart; the interval of a tick-tock widens"),
        ("Joining", "its two halves come together; the interval of a tick-tock narrows"),
    ),
    ("tap", "rhythm"): (
        ("TapEven", "strikes the ground at equal intervals, a knock at every strike"),
        ("TapGallop", "strikes the ground as often, by short and long intervals in turn"),
    ),
    ("orbit", "picture"): (
        ("OrbitGlide", "circles at an even speed to a tick-tock"),
        ("OrbitLurch", "circles by quarter turns with rests between them, to the same tick-tock"),
    ),
    ("swing", "sound"): (
        ("SwingChirp", "swings as a pendulum; at the bottom a sound that glides upwards"),
        ("SwingDroop", "the same swing; at the bottom a sound that glides downwards"),
    ),
}
"""Event and difference of a pair of classes: the name and the description of each."""

CLASSES: tuple[EventClass, ...] = tuple(
    each
    for (kind, difference), ((name, text), (twin, twin_text)) in _EVENTS.items()
    for each in (
        EventClass(name, kind, 0, twin, difference, text),
        EventClass(twin, kind, 1, name, difference, twin_text),
    )
)

KINDS: tuple[EventKind, ...] = tuple(dict.fromkeys(entry.kind for entry in CLASSES))

CLASS_BY_NAME: dict[str, EventClass] = {entry.name: entry for entry in CLASSES}
