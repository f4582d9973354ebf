"""The transform against a plain rebuilding of it, its distribution, and what it keeps and gives away."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pytest

from mien.errors import InputError, KeyingError
from mien.gallery.protection.renewable import BLOCK, Transform
from mien.values import Floats

SECRET = bytes(range(32))


def secret(number: int) -> bytes:
    return hashlib.sha256(b"test %d" % number).digest()


def faces(count: int, dimension: int, seed: int = 0, common: float = 3.0) -> Floats:
    """Unit vectors around a large common mean, as some models have them."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dimension)) + common * rng.normal(size=dimension)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def by_hand(key: bytes, dimension: int) -> np.ndarray:
    """Whole reflections, one number at a time, with the standard library's mathematics."""
    count = dimension * (dimension + 1) // 2
    pairs = (count + 1) // 2
    seed = key + b"mien renewable template 1" + struct.pack("<I", dimension)
    words = struct.unpack(f"<{pairs * 2}Q", hashlib.shake_256(seed).digest(pairs * 16))
    uniform = [((word >> 11) + 0.5) / 2**53 for word in words]
    two = zip(uniform[:pairs], uniform[pairs:], strict=True)
    polar = [(math.sqrt(-2 * math.log(r)), 2 * math.pi * a) for r, a in two]
    normal = [r * math.cos(a) for r, a in polar] + [r * math.sin(a) for r, a in polar]
    matrix = np.eye(dimension)
    for length in range(1, dimension + 1):
        x = np.array(normal[length * (length - 1) // 2 : length * (length + 1) // 2])
        sign = math.copysign(1, x[0])
        u = x + sign * np.linalg.norm(x) * np.eye(length)[0]
        whole = np.eye(dimension)
        whole[dimension - length :, dimension - length :] = -sign * (
            np.eye(length) - 2 * np.outer(u, u) / (u @ u)
        )
        matrix = whole @ matrix
    return matrix


@pytest.mark.parametrize("dimension", [1, 2, 3, 8, 33])
def test_it_is_what_stewart_and_mezzadri_make_of_the_secret_s_stream(dimension: int) -> None:
    assert Transform.from_secret(SECRET, dimension).matrix == pytest.approx(
        by_hand(SECRET, dimension), abs=1e-13
    )


def test_it_is_the_same_for_ever() -> None:
    """A stored gallery cannot be read where this changes."""
    pinned = [-0.05537324335031624, 0.010891097117848674, 0.06976925700235152]
    assert Transform.from_secret(SECRET, 512).matrix[[0, 1, 511], [0, 511, 7]] == pytest.approx(
        pinned, abs=1e-12
    )


@pytest.mark.parametrize("dimension", [1, 2, 128, 512])
def test_it_is_orthogonal(dimension: int) -> None:
    matrix = Transform.from_secret(SECRET, dimension).matrix
    assert np.abs(matrix @ matrix.T - np.eye(dimension)).max() < 1e-13
    assert not matrix.flags.writeable


def test_it_is_uniform_over_all_rotations_and_reflections() -> None:
    """Moments of Haar's measure on O(4): E q = 0, E q² = 1/4, E q⁴ = 3/(4·6), E tr² = 1, E tr⁴ = 3, det ±1.

    The traces are those of Diaconis and Shahshahani 1994, J. Appl. Probab. 31A:49.
    """
    drawn = np.stack([Transform.from_secret(secret(number), 4).matrix for number in range(4000)])
    traces = np.trace(drawn, axis1=1, axis2=2)
    assert np.abs(drawn.mean(axis=0)).max() < 0.04
    assert (drawn**2).mean(axis=0) == pytest.approx(np.full((4, 4), 1 / 4), abs=0.02)
    assert (drawn**4).mean(axis=0) == pytest.approx(np.full((4, 4), 1 / 8), abs=0.02)
    assert (traces**2).mean() == pytest.approx(1, abs=0.1)
    assert (traces**4).mean() == pytest.approx(3, abs=0.6)
    assert (np.linalg.det(drawn) > 0).mean() == pytest.approx(0.5, abs=0.03)


def test_secrets_and_dimensions_have_nothing_in_common() -> None:
    one, other = (Transform.from_secret(secret(number), 64).matrix for number in range(2))
    assert np.abs(one - other).max() > 0.1
    smaller = Transform.from_secret(secret(0), 63).matrix
    assert np.abs(one[1:, 1:] - smaller).max() > 0.1


@pytest.mark.parametrize("dimension", [64, 128, 512])
def test_every_cosine_is_kept(dimension: int) -> None:
    vectors = faces(300, dimension)
    turned = Transform.from_secret(SECRET, dimension).apply(vectors)
    before, after = (each.astype(np.float64) @ each.T.astype(np.float64) for each in (vectors, turned))
    assert turned.dtype == np.float32
    assert np.abs(after - before).max() < 5e-7
    assert np.abs(np.linalg.norm(turned, axis=1) - 1).max() < 1e-6
    assert np.abs(turned - vectors).max() > 0.05


def test_twenty_renewals_in_a_row_lose_nothing_to_see() -> None:
    vectors = faces(200, 128)
    current, stored = Transform.identity(128), vectors
    for number in range(20):
        following = Transform.from_secret(secret(number), 128)
        stored, current = current.change_to(following).apply(stored), following
    assert np.abs(stored - current.apply(vectors)).max() < 1e-6
    assert np.abs(stored @ stored.T - vectors @ vectors.T).max() < 2e-6


def test_going_back_gives_the_vectors_back() -> None:
    vectors = faces(10, 32)
    transform = Transform.from_secret(SECRET, 32)
    back = transform.change_to(Transform.identity(32))
    assert back.apply(transform.apply(vectors)) == pytest.approx(vectors, abs=1e-6)


def test_the_identity_changes_no_bit() -> None:
    vectors = faces(100, 128) * np.float32(0.9995)
    same = Transform.identity(128)
    assert same.is_identity
    assert not Transform.from_secret(SECRET, 128).is_identity
    assert same.apply(vectors).tobytes() == vectors.tobytes()
    assert same.apply(vectors) is not vectors


def test_blocks_join_without_a_seam() -> None:
    vectors = faces(2 * BLOCK + 5, 8)
    transform = Transform.from_secret(SECRET, 8)
    assert transform.apply(vectors) == pytest.approx(vectors @ transform.matrix.T, abs=1e-6)
    assert transform.apply(vectors[:0]).shape == (0, 8)


def test_zeros_stay_zeros() -> None:
    assert not Transform.from_secret(SECRET, 8).apply(np.zeros((2, 8), np.float32)).any()


def test_another_machine_s_transform_is_known_by_its_check() -> None:
    transform = Transform.from_secret(SECRET, 128)
    transform.require(transform.check())
    Transform(transform.matrix + 1e-12).require(transform.check())
    for other in (Transform.from_secret(secret(1), 128), Transform.from_secret(SECRET, 64)):
        with pytest.raises(KeyingError, match="another transform"):
            other.require(transform.check())
    for bad in (b"", b"x" * 31, bytes(32), b"\xff" * 32):
        with pytest.raises(KeyingError, match="another transform"):
            transform.require(bad)
    for dimension in (1, 3):
        small = Transform.from_secret(SECRET, dimension)
        small.require(small.check())


def test_whoever_knows_as_many_pairs_as_numbers_knows_the_transform() -> None:
    """The limit that docs/privacy.md states: known vectors with their stored templates give Q away."""
    vectors = faces(40, 32)
    transform = Transform.from_secret(SECRET, 32)
    solved = np.linalg.lstsq(vectors.astype(np.float64), transform.apply(vectors), rcond=None)[0].T
    assert np.abs(solved - transform.matrix).max() < 1e-4


@pytest.mark.parametrize("dimension", [0, -1, 4097])
def test_dimensions_out_of_reach(dimension: int) -> None:
    with pytest.raises(InputError, match="1 to 4096"):
        Transform.from_secret(SECRET, dimension)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="32 bytes, not 5"):
        Transform.from_secret(b"short", 8)
    with pytest.raises(InputError, match=r"\(n, 8\) is wanted, not \(2, 9\)"):
        Transform.identity(8).apply(np.zeros((2, 9), np.float32))
    with pytest.raises(InputError, match="8 numbers cannot change to one of 9"):
        Transform.identity(8).change_to(Transform.identity(9))
    for matrix in (np.ones((2, 3)), np.ones((2, 2)), np.full((2, 2), np.nan), np.ones(4)):
        with pytest.raises(InputError, match="a transform"):
            Transform(matrix)


def test_it_shows_no_number() -> None:
    assert "0." not in repr(Transform.from_secret(SECRET, 4))
