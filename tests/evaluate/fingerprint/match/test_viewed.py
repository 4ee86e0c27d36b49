from evaluate.fingerprint.describe.view import PLAIN, View
from evaluate.fingerprint.match.matches import Match
from evaluate.fingerprint.match.viewed import apart


def match(reference, start, end, score, view=PLAIN):
    return Match("q", reference, start, end, start + 5, end + 5, score, score >= 3, view=view)


def test_of_views_of_the_same_seconds_and_reference_the_best_is_kept():
    plain, mirrored = match("a", 0, 5, 4.0), match("a", 0.2, 5, 9.0, View(is_mirrored=True))
    beside, later = match("b", 0, 5, 3.5), match("a", 4.5, 9, 6.0)
    assert apart([plain, mirrored, beside, later]) == [mirrored, later, beside]
