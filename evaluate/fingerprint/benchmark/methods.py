"""Which methods there are, and making those that can run here."""

from collections.abc import Callable, Sequence

from evaluate.errors import FingerprintError
from evaluate.fingerprint.benchmark.method import Method, MethodMissingError


def _peers() -> dict[str, Callable[[], Method]]:
    from evaluate.fingerprint.benchmark.peers.chromaprint import Chromaprint
    from evaluate.fingerprint.benchmark.peers.logmel import MeanLogMel
    from evaluate.fingerprint.benchmark.peers.pdq import Vpdq
    from evaluate.fingerprint.benchmark.peers.raw import RawPixels

    return {method.name: method for method in (Chromaprint, Vpdq, RawPixels, MeanLogMel)}


PEER_NAMES = ("chromaprint", "vpdq", "raw-pixels", "log-mel")


def make_peers(names: Sequence[str]) -> tuple[list[Method], dict[str, str]]:
    """Make peers by name.

    Returns:
        Those that can run, and for the others the reason.

    Raises:
        FingerprintError: there is no peer of that name.
    """
    unknown = [name for name in names if name not in PEER_NAMES]
    if unknown:
        raise FingerprintError(f"no such method: {', '.join(unknown)}; there are {', '.join(PEER_NAMES)}")
    made, missing = [], {}
    for name in names:
        try:
            made.append(_peers()[name]())
        except MethodMissingError as error:
            missing[name] = str(error)
    return made, missing
