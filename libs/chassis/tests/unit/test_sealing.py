"""Sealed boxes: only the owner opens, and what was changed does not open at all."""

from __future__ import annotations

import base64

import pytest

from pulse_chassis.sealing import Sealer, SealError, SealKey


@pytest.fixture(scope="module")
def key():
    return SealKey.generate()


@pytest.mark.parametrize("plain", [b"", b"a secret", b"x" * 100_000])
def test_the_owner_opens_what_was_sealed(key, plain):
    sealed = Sealer(key.public_key).seal(plain)
    assert len(sealed) == len(plain) + 48
    assert key.open(sealed) == plain
    assert SealKey(key.private_key).open(sealed) == plain


def test_nobody_else_opens_it(key):
    with pytest.raises(SealError):
        SealKey.generate().open(Sealer(key.public_key).seal(b"a secret"))


def test_the_same_text_is_never_sealed_alike(key):
    sealer = Sealer(key.public_key)
    assert sealer.seal(b"a") != sealer.seal(b"a")


@pytest.mark.parametrize("position", [0, 31, 32, 47, 48, -1])
def test_a_changed_box_does_not_open(key, position):
    sealed = bytearray(Sealer(key.public_key).seal(b"a secret"))
    sealed[position] ^= 1
    with pytest.raises(SealError):
        key.open(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"short", b"\0" * 48, b"\0" * 200])
def test_what_is_no_box_does_not_open(key, sealed):
    with pytest.raises(SealError):
        key.open(sealed)


@pytest.mark.parametrize("text", ["", "no base 64!", base64.b64encode(b"x" * 31).decode(), "ä" * 44])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(SealError):
        Sealer(text)
    with pytest.raises(SealError):
        SealKey(text)


@pytest.mark.parametrize("point", [b"\0" * 32, b"\x01" + b"\0" * 31])
def test_a_point_that_nothing_can_be_sealed_to_is_refused(point):
    with pytest.raises(SealError):
        Sealer(base64.b64encode(point).decode()).seal(b"a")
