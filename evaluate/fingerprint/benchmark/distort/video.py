"""Distortions of the picture as ffmpeg filter graphs; sizes are shares of the picture, so that they fit any source."""

from typing import Any

from evaluate.fingerprint.benchmark.distort.distortion import PictureFilter, Scene
from evaluate.fingerprint.benchmark.distort.overlays import draw_logo, draw_text


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))  # yuv420p has half as many colour samples


def _sign(scene: Scene) -> int:
    return 1 if scene.random.random() < 0.5 else -1


def shrink(share: float) -> PictureFilter:
    """Fewer pixels."""
    return lambda stream, scene: stream.filter(
        "scale", _even(scene.width_px * share), _even(scene.height_px * share), flags="bicubic+accurate_rnd"
    )


def crop(share: float) -> PictureFilter:
    """Keep `share` of each side, at a place drawn."""

    def apply(stream: Any, scene: Scene) -> Any:
        x, y = scene.random.random(2).round(6)
        # In terms of what comes in: a distortion before may have shrunk it.
        size = (f"max(2, 2*round({side}*{share}/2))" for side in ("iw", "ih"))
        return stream.filter("crop", *size, f"(iw-ow)*{x}", f"(ih-oh)*{y}")

    return apply


def pad(share: float) -> PictureFilter:
    """Black bars: `share` of the picture's own size more, beside, above or all around it."""

    def apply(stream: Any, scene: Scene) -> Any:
        wide, high = [(1, 0), (0, 1), (1, 1)][scene.random.integers(3)]
        width, height = _even(scene.width_px * (1 + wide * share)), _even(scene.height_px * (1 + high * share))
        return stream.filter("pad", width, height, "(ow-iw)/2", "(oh-ih)/2", color="black")

    return apply


def flip(axes: str) -> PictureFilter:
    """Mirror: "h", "v" or "hv"."""

    def apply(stream: Any, scene: Scene) -> Any:
        for axis in axes:
            stream = stream.filter(f"{axis}flip")
        return stream

    return apply


def rotate(degrees: float) -> PictureFilter:
    """Turn either way; corners are black, the size stays. Quarter turns swap the sides."""

    def apply(stream: Any, scene: Scene) -> Any:
        sign = _sign(scene)
        if degrees == 90:
            return stream.filter("transpose", "clock" if sign > 0 else "cclock")
        return stream.filter("rotate", f"{sign * degrees}*PI/180", fillcolor="black")

    return apply


def blur(share: float) -> PictureFilter:
    """Gaussian blur with a standard deviation of `share` of the short side."""
    return lambda stream, scene: stream.filter("gblur", sigma=round(share * min(scene.width_px, scene.height_px), 3))


def noise(amount: int) -> PictureFilter:
    """Noise that changes from frame to frame, of ffmpeg's strength 0 to 100."""
    return lambda stream, scene: stream.filter(
        "noise", alls=amount, allf="t", all_seed=int(scene.random.integers(1, 2**31))
    )


def brightness(amount: float) -> PictureFilter:
    """Lighter or darker by `amount` of full scale."""
    return lambda stream, scene: stream.filter("eq", brightness=_sign(scene) * amount)


def contrast(factor: float) -> PictureFilter:
    """Contrast times `factor`, or divided by it."""
    return lambda stream, scene: stream.filter("eq", contrast=round(factor ** _sign(scene), 4))


def hue(degrees: float) -> PictureFilter:
    """All hues turned, either way."""
    return lambda stream, scene: stream.filter("hue", h=_sign(scene) * degrees)


def text(share: float) -> PictureFilter:
    """Lines of text over `share` of the height."""
    return lambda stream, scene: _overlay(stream, scene, "text", draw_text, share)


def logo(share: float) -> PictureFilter:
    """A mark in a corner, `share` of the short side wide."""
    return lambda stream, scene: _overlay(stream, scene, "logo", draw_logo, share)


def _overlay(stream: Any, scene: Scene, name: str, draw: Any, share: float) -> Any:
    import ffmpeg

    path = scene.folder / f"{name}.png"
    draw(path, (scene.width_px, scene.height_px), share, scene.random)
    return stream.overlay(ffmpeg.input(str(path), f="image2", pattern_type="none").video, eof_action="repeat")


def picture_in_picture(share: float) -> PictureFilter:
    """The query at `share` of its size, within a video of another source."""

    def apply(stream: Any, scene: Scene) -> Any:
        width, height = _even(scene.width_px * share), _even(scene.height_px * share)
        x = int(scene.random.integers(0, max(1, scene.width_px - width + 1)))
        y = int(scene.random.integers(0, max(1, scene.height_px - height + 1)))
        small = stream.filter("scale", width, height, flags="bicubic+accurate_rnd")
        return scene.host().overlay(small, x=x, y=y, shortest=1)

    return apply


def frame_rate(fps: float) -> PictureFilter:
    """Fewer pictures a second."""
    return lambda stream, scene: stream.filter("fps", fps=min(fps, scene.fps), round="near")


def drop_frames(share: float) -> PictureFilter:
    """Lose frames at random; the picture before stays on screen, so the length is kept."""

    def apply(stream: Any, scene: Scene) -> Any:
        seed = int(scene.random.integers(1, 2**31))
        # random(0) is seeded by what variable 0 holds: it is set in the first frame.
        chosen = stream.filter("select", f"if(eq(n,0),st(0,{seed})*0+1,gt(random(0),{share}))")
        return chosen.filter("fps", fps=scene.fps, round="near")

    return apply
