"""Texts that are parts of one object: git's way to say so, byte by byte."""

import pytest
from dulwich.pack import apply_delta
from hypothesis import given
from hypothesis import strategies as st

from alf.snapshot.bundle import Bundle, belongs_in_bundle, copy_of_part, distance


def test_a_copy_by_hand():
    """Sizes in 7 bits a byte, lowest first; then which bytes of start and size follow, and they."""
    # 500 = 0b11_1110100, 200 = 0b1_1001000; start 258 = 0x0102 has two bytes, size 200 has one.
    expected = [0xF4, 0x03, 0xC8, 0x01, 0b1001_0011, 0x02, 0x01, 200]
    assert bytes(expected) == copy_of_part(500, 258, 200)
    # Zero bytes are left out: start 256 has one byte, the second.
    assert bytes([0b1001_0010, 0x01, 200]) == copy_of_part(500, 256, 200)[4:]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (1, [1]),
        (127, [127]),
        (128, [0x80, 0]),  # the first byte stands for one more than it says
        (16_511, [0xFF, 0x7F]),
        (16_512, [0x80, 0x80, 0]),
    ],
)
def test_distances_by_hand(offset, expected):
    """No number has two forms: two bytes begin where one ends."""
    assert bytes(expected) == distance(offset)


@given(st.lists(st.binary(min_size=1, max_size=500), min_size=1, max_size=20))
def test_every_part_is_copied(texts):
    """What another implementation makes of the copies are the texts."""
    bundle = Bundle()
    for number, text in enumerate(texts):
        bundle.add(bytes([number]) * 20, text)

    parts = [apply_delta(bundle.joined(), copy) for _, copy in bundle.copies()]

    assert texts == [b"".join(part) for part in parts]


@pytest.mark.parametrize(
    ("data", "belongs"),
    [
        (b"x", True),
        (b"", False),
        (b"a\0b", False),
        (b"x" * 65_535, True),
        (b"x" * 65_536, False),
    ],
)
def test_only_small_texts_belong(data, belongs):
    """Binary data and large files stay alone; one copy instruction takes 65,535 bytes."""
    assert belongs_in_bundle(data) is belongs
