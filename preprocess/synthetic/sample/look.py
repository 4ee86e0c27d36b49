"""Appearance of the object and its surroundings: a look per group, a staging per clip.

The look (background, colours, shape, size, noise, camera, a second object, drops) is drawn for a group, independently of
the class. The staging differs between the clips of a group: place, camera position, light, size within 10 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.synthetic.sample.motion import ASPECT, CLIP_SECONDS, FPS, N_FRAMES

HEIGHT_PX = 96
WIDTH_PX = 128
MARGIN_PX = 40
"""The backdrop is larger than the frame by this much on every side: clips see different parts of it."""
DROP_SECONDS = 1.2
N_STONES = 5
N_PLACES = 4
"""So few that a place reveals neither the class nor the clip."""
SHAPES = ("disc", "triangle", "square", "star", "clover", "bar", "trefoil")
TYPICAL_SHARE = 0.7
"""Share of objects with the typical shape of their kind of event: the appearance hints at the event."""
_CAMERA_REACH_PX = MARGIN_PX - 8
"""Leaves the largest drift inside the backdrop."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A group's appearance; sizes in frame heights, colours (3,) RGB in 0..255. `other_` is of the second object."""

    backdrop: Pixels  # (HEIGHT_PX + 2 * MARGIN_PX, WIDTH_PX + 2 * MARGIN_PX, 3) RGB in 0..255
    colour: Pixels
    core_colour: Pixels  # of the object's worn middle
    halo_colour: Pixels
    drop_colour: Pixels
    other_colour: Pixels
    shape: str  # out of SHAPES
    other_shape: str
    radius: float
    other_radius: float
    noise: float  # standard deviation of the grain
    drift: float  # px that the camera wanders
    drops_per_second: float  # splashes in the background, each a spot and a ring that spreads, both fading
    glow: float  # how much lighter the whole frame gets at a strike of strength 1


@dataclass(frozen=True)
class Staging:
    """The differences between two clips of one group and class, besides the motion."""

    shift: tuple[float, float]  # place of the event, relative to the middle; x, y in frame heights
    mirrored: bool  # left and right exchanged
    turn: float  # the object's own rotation, radians
    size: float  # relative to the look's
    light: Pixels  # added to the backdrop, (HEIGHT_PX, WIDTH_PX, 3)
    camera: NDArray[np.float64]  # position in the backdrop, (N_FRAMES, 2) px, y and x
    other: NDArray[np.float64]  # path of the second object, (N_FRAMES, 2), x and y in frame heights
    drops: NDArray[np.float64]  # (n, 3): second of impact, x, y


def _smooth_field(rng: np.random.Generator, cells: int, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Random values in -1..1 on a coarse grid, bilinearly enlarged to `shape` (H, W)."""
    coarse = rng.uniform(-1, 1, size=(cells + 1, cells + 1))
    rows, columns = (np.linspace(0, cells - 1e-6, size) for size in shape)
    i, j = rows.astype(int), columns.astype(int)
    a, b = (rows - i)[:, None], (columns - j)[None, :]
    top = coarse[i][:, j] * (1 - b) + coarse[i][:, j + 1] * b
    bottom = coarse[i + 1][:, j] * (1 - b) + coarse[i + 1][:, j + 1] * b
    return top * (1 - a) + bottom * a


def _draw_colour(rng: np.random.Generator, darkest: float, brightest: float) -> Pixels:
    """Draw a colour of any hue whose mean over R, G and B lies in a range."""
    while True:
        colour = rng.uniform(0, 255, size=3)
        if darkest <= float(colour.mean()) <= brightest:
            return colour.astype(np.float32)


def _scatter_stones(picture: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Draw still discs on a backdrop (H, W, 3); only motion distinguishes the object from them."""
    height, width = picture.shape[:2]
    for _ in range(N_STONES):
        y, x = rng.uniform(0, height), rng.uniform(0, width)
        radius = rng.uniform(0.06, 0.15) * HEIGHT_PX
        distance = np.hypot(np.arange(height)[:, None] - y, np.arange(width)[None, :] - x)
        inside = np.clip((radius - distance) / 2 + 0.5, 0, 1)[..., None]
        picture += inside * (_draw_colour(rng, 100, 200) - picture)


def _draw_backdrop(rng: np.random.Generator) -> Pixels:
    shape = (HEIGHT_PX + 2 * MARGIN_PX, WIDTH_PX + 2 * MARGIN_PX)
    picture = np.tile(rng.uniform(35, 125, size=3), (*shape, 1))
    for cells, strength in ((1, 45), (3, 30), (9, 12)):
        tint = rng.normal(0.8, 0.5, size=3)
        picture += strength * rng.uniform(0.4, 1.0) * _smooth_field(rng, cells, shape)[..., None] * tint
    _scatter_stones(picture, rng)
    return np.clip(picture, 0, 185).astype(np.float32)


def _draw_shapes(rng: np.random.Generator, typical: str) -> tuple[str, str]:
    """Shapes of the object and of the second object, which are never the same."""
    others = [str(name) for name in rng.permutation([name for name in SHAPES if name != typical])]
    first = typical if rng.random() < TYPICAL_SHARE else others.pop()
    return first, others.pop()


def draw_look(place: np.random.Generator, rng: np.random.Generator, typical: str) -> Look:
    """Draw a group's look: still things and all colours from its place, the object's form from the group's own `rng`.

    Most groups of one kind of event have the `typical` shape.
    """
    shape, other_shape = _draw_shapes(rng, typical)
    return Look(
        backdrop=_draw_backdrop(place),
        colour=_draw_colour(place, 185, 255),
        core_colour=_draw_colour(place, 10, 60),
        halo_colour=_draw_colour(place, 185, 255),
        drop_colour=_draw_colour(place, 110, 255),
        other_colour=_draw_colour(place, 90, 200),
        shape=shape,
        other_shape=other_shape,
        radius=float(rng.uniform(0.15, 0.20)),
        other_radius=float(place.uniform(0.04, 0.06)),
        noise=float(place.uniform(1, 4)),
        drift=float(place.uniform(2, 7)),
        drops_per_second=float(place.uniform(0.3, 0.7)),
        glow=float(place.uniform(20, 45)),
    )


def _wander(rng: np.random.Generator, reach: float) -> NDArray[np.float64]:
    """Draw a smooth path about 0 without a direction of time, (N_FRAMES, 2)."""
    seconds = np.arange(N_FRAMES)[:, None] / FPS
    waves = [np.sin(2 * np.pi * (seconds * rng.uniform(0.08, 0.35, size=2) + rng.random(2))) for _ in range(2)]
    return reach * (waves[0] + waves[1]) / 2


def _draw_light(rng: np.random.Generator) -> Pixels:
    """Draw the light of a clip: brighter or darker, and uneven, without a tint."""
    uneven = _smooth_field(rng, 2, (HEIGHT_PX, WIDTH_PX))[..., None] * rng.uniform(0, 20)
    return (uneven + rng.uniform(-20, 20) + np.zeros(3)).astype(np.float32)


def draw_staging(look: Look, rng: np.random.Generator) -> Staging:
    """Draw a clip's staging."""
    n_drops = int(rng.poisson(look.drops_per_second * (CLIP_SECONDS + DROP_SECONDS)))
    drop_seconds = np.sort(rng.uniform(-DROP_SECONDS, CLIP_SECONDS, size=n_drops))
    drop_places = rng.uniform((0, 0), (ASPECT, 1), size=(n_drops, 2))
    other_home = rng.uniform((0.2, 0.15), (ASPECT - 0.2, 0.85))
    return Staging(
        shift=(float(rng.uniform(-0.24, 0.24)), float(rng.uniform(-0.14, 0.14))),
        mirrored=bool(rng.random() < 0.5),
        turn=float(rng.uniform(0, 2 * np.pi)),
        size=float(rng.uniform(0.9, 1.1)),
        light=_draw_light(rng),
        camera=MARGIN_PX + rng.uniform(-_CAMERA_REACH_PX, _CAMERA_REACH_PX, size=2) + _wander(rng, look.drift),
        other=other_home + _wander(rng, 0.25),
        drops=np.column_stack([drop_seconds, drop_places]),
    )
