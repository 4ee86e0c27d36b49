"""Geometry of embeddings against slow versions, and its laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluate.protocols import geometry
from evaluate.protocols.geometry import alignment, centroid_similarity, cluster_nmi, modality_gap, uniformity


def unit_rows(n, d, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def slow_uniformity(rows, t):
    pairs = [
        math.exp(-t * sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True)))
        for i in range(len(rows))
        for j in range(len(rows))
        if i != j
    ]
    return math.log(sum(pairs) / len(pairs))


class TestAlignment:
    @given(st.integers(1, 12), st.integers(2, 6), st.integers(0, 99))
    def test_is_two_minus_twice_the_mean_cosine(self, n, d, seed):
        first, second = unit_rows(n, d, seed), unit_rows(n, d, seed + 100)
        cosines = [sum(a * b for a, b in zip(x, y, strict=True)) for x, y in zip(first, second, strict=True)]
        assert alignment(first, second) == pytest.approx(2 - 2 * sum(cosines) / n)

    def test_equal_opposite_and_orthogonal(self):
        axis = np.eye(4)
        assert [alignment(axis, other) for other in (axis, -axis, np.roll(axis, 1, axis=0))] == [0, 4, 2]

    def test_refuses_what_is_no_pairs(self):
        with pytest.raises(ValueError, match="equal shapes"):
            alignment(np.eye(3), np.eye(3)[:2])
        with pytest.raises(ValueError, match="one space"):
            alignment(np.zeros((0, 3)), np.zeros((0, 3)))


class TestUniformity:
    @pytest.mark.parametrize("rows_per_block", [1, 3, 100])
    @pytest.mark.parametrize("t", [0.5, 2.0])
    def test_equals_the_slow_version_in_blocks_of_any_size(self, monkeypatch, rows_per_block, t):
        monkeypatch.setattr(geometry, "_ROWS_PER_BLOCK", rows_per_block)
        rows = unit_rows(17, 5)
        assert uniformity(rows, t) == pytest.approx(slow_uniformity(rows, t))

    def test_one_point_two_poles_and_a_sphere(self):
        assert uniformity(np.ones((5, 1))) == pytest.approx(0)
        assert uniformity(np.array([[1.0], [-1.0]])) == pytest.approx(-8)
        assert uniformity(unit_rows(400, 200).astype(np.float32)) == pytest.approx(-4, abs=0.1)

    def test_one_row_has_no_pair(self):
        with pytest.raises(ValueError, match="two rows"):
            uniformity(np.ones((1, 3)))


class TestModalityGap:
    def test_is_the_distance_of_the_means(self):
        first, second = unit_rows(9, 4, 1), unit_rows(5, 4, 2)
        means = [[sum(row[j] for row in rows) / len(rows) for j in range(4)] for rows in (first, second)]
        assert modality_gap(first, second) == pytest.approx(math.dist(*means))

    def test_two_cones(self):
        cone = np.tile([[0.0, 1.0]], (3, 1))
        assert modality_gap(cone, -cone) == 2
        assert modality_gap(cone, cone) == 0

    def test_spaces_must_agree(self):
        with pytest.raises(ValueError, match="one space"):
            modality_gap(np.eye(3), np.eye(4))


class TestClusters:
    def test_classes_apart_are_found_and_noise_is_not(self):
        labels = np.repeat([3, 5, 9], 20)
        apart = np.eye(3)[np.repeat([0, 1, 2], 20)] + 0.01 * unit_rows(60, 3)
        assert cluster_nmi(apart, labels) == pytest.approx(1)
        assert cluster_nmi(unit_rows(60, 8), labels) < 0.3

    def test_names_of_labels_do_not_matter(self):
        rows, labels = unit_rows(40, 6), np.arange(40) % 4
        assert cluster_nmi(rows, labels) == pytest.approx(cluster_nmi(rows, 10 - labels))


class TestCentroids:
    @settings(max_examples=20)
    @given(st.integers(3, 6), st.integers(0, 50))
    def test_equals_the_slow_version(self, n_classes, seed):
        rows, labels = unit_rows(30, 7, seed), np.arange(30) % n_classes * 2
        found, similarity = centroid_similarity(rows, labels)
        means = {
            label: np.mean([row for row, own in zip(rows, labels, strict=True) if own == label], axis=0)
            for label in found
        }
        middle = sum(means.values()) / n_classes
        for i, a in enumerate(found):
            for j, b in enumerate(found):
                x, y = means[a] - middle, means[b] - middle
                assert similarity[i, j] == pytest.approx(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)))

    def test_what_all_classes_share_makes_none_alike(self):
        rows = np.eye(4)[[0, 1, 2]] + np.array([0, 0, 0, 50.0])
        _, similarity = centroid_similarity(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.arange(3))
        np.testing.assert_allclose(similarity, np.eye(3) * 1.5 - 0.5, atol=1e-6)
