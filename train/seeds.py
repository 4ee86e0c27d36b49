"""Seeds of the random streams: a hash of everything that names a stream, so that no two streams coincide."""

import hashlib


def stream_seed(purpose: str, *key: int) -> int:
    """Seed, in [0, 2^63), of one stream; for example of `("step", seed, rank, step, part)`.

    Arithmetic such as `seed * 1_000_003 + counter` gives a late step of one seed the numbers of an early step of another.
    NumPy's SeedSequence would not do either: it takes (1,) and (1, 0) for the same.
    """
    digest = hashlib.blake2b(repr((purpose, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
