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
    variant: int  # which of the two, 0 or 1
    twin: str  # name of the class that differs in one thing only
    difference: Difference  # "time": the twin is the same event run backwards (sounds and trails apart)


_PAIRS: tuple[tuple[EventKind, Difference, str, str], ...] = (
    ("rise", "time", "Rising", "Falling"),
    ("approach", "time", "Coming", "Going"),
    ("kindle", "time", "Kindling", "Fading"),
    ("part", "time", "Parting", "Joining"),
    ("tap", "rhythm", "TapEven", "TapGallop"),
    ("orbit", "picture", "OrbitGlide", "OrbitLurch"),
    ("swing", "sound", "SwingChirp", "SwingDroop"),
)

CLASSES: tuple[EventClass, ...] = tuple(
    EventClass(name, kind, variant, twin, difference)
    for kind, difference, first, second in _PAIRS
    for variant, name, twin in ((0, first, second), (1, second, first))
)

KINDS: tuple[EventKind, ...] = tuple(kind for kind, *_ in _PAIRS)

CLASS_BY_NAME: dict[str, EventClass] = {entry.name: entry for entry in CLASSES}
