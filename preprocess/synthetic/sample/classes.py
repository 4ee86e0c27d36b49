"""The classes of the sample world: the event of each, and its twin, the class that is easily mistaken for it."""

from dataclasses import dataclass
from typing import Literal

EventKind = Literal["rise", "approach", "kindle", "part", "tap", "orbit", "swing"]
Difference = Literal["time", "rhythm", "picture", "sound"]


@dataclass(frozen=True)
class EventClass:
    """One class: an event (motion and sound together) and the single difference from its twin.

    Attributes:
        name: class name, as in `classInd.txt`.
        kind: the event that the class and its twin share.
        variant: 0 or 1, which of the two.
        twin: name of the class that differs in one thing only.
        difference: that single thing. "time": the twin is the same event run backwards (sounds and trails apart).
        description: one sentence for people.
    """

    name: str
    kind: EventKind
    variant: Literal[0, 1]
    twin: str
    difference: Difference
    description: str


def _pair(kind: EventKind, difference: Difference, first: tuple[str, str], second: tuple[str, str]) -> list[EventClass]:
    return [
        EventClass(first[0], kind, 0, second[0], difference, first[1]),
        EventClass(second[0], kind, 1, first[0], difference, second[1]),
    ]


CLASSES: tuple[EventClass, ...] = (
    *_pair(
        "rise",
        "time",
        ("Rising", "climbs swaying through the picture; the pitch of an even beat climbs with it"),
        ("Falling", "sinks swaying through the picture; the pitch of an even beat sinks with it"),
    ),
    *_pair(
        "approach",
        "time",
        ("Coming", "grows as it comes near; its beat gets louder"),
        ("Going", "shrinks as it goes away; its beat gets softer"),
    ),
    *_pair(
        "kindle",
        "time",
        ("Kindling", "goes from dark to glowing; its beat quickens"),
        ("Fading", "goes from glowing to dark; its beat slows down"),
    ),
    *_pair(
        "part",
        "time",
        ("Parting", "its two halves drift apart; the interval of a tick-tock widens"),
        ("Joining", "its two halves come together; the interval of a tick-tock narrows"),
    ),
    *_pair(
        "tap",
        "rhythm",
        ("TapEven", "strikes the ground at equal intervals, a knock at every strike"),
        ("TapGallop", "strikes the ground as often, by short and long intervals in turn"),
    ),
    *_pair(
        "orbit",
        "picture",
        ("OrbitGlide", "circles at an even speed to a tick-tock"),
        ("OrbitLurch", "circles by quarter turns with rests between them, to the same tick-tock"),
    ),
    *_pair(
        "swing",
        "sound",
        ("SwingChirp", "swings as a pendulum; at the bottom a sound that glides upwards"),
        ("SwingDroop", "the same swing; at the bottom a sound that glides downwards"),
    ),
)

KINDS: tuple[EventKind, ...] = tuple(dict.fromkeys(entry.kind for entry in CLASSES))

CLASS_BY_NAME: dict[str, EventClass] = {entry.name: entry for entry in CLASSES}
