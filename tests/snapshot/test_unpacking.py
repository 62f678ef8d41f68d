"""Texts that are stored together are unpacked together."""

from collections import Counter

import pytest
from dulwich.pack import PackData

from alf.snapshot.pack import BLOB
from alf.snapshot.store import FILE_MODE, Blob, Store


@pytest.fixture
def unpacked(monkeypatch) -> Counter[int]:
    """Place in the pack -> how often what begins there was unpacked."""
    counts: Counter[int] = Counter()
    unpack = PackData.get_unpacked_object_at

    def counting(self, offset, **settings):
        counts[offset] += 1
        return unpack(self, offset, **settings)

    monkeypatch.setattr(PackData, "get_unpacked_object_at", counting)
    return counts


def stored(folder, files: list[bytes]) -> list[str]:
    with Store(folder, create=True) as store, store.pack_writer() as pack:
        names = [pack.add(BLOB, data).hex() for data in files]
        blobs = {str(number): Blob(name, FILE_MODE) for number, name in enumerate(names)}
        store.commit(blobs, "summary", {}, pack, None, 1_900_000_000)
    return names


def test_what_texts_are_parts_of_is_unpacked_once(tmp_path, unpacked):
    """A hundred files, read one after the other, cost one bundle and a hundred copies of parts."""
    texts = [b"line %d\n" % number * 40 for number in range(100)]
    names = stored(tmp_path, texts)

    with Store(tmp_path) as store:
        assert [None] * 100 == [store.damage(name) for name in names]
        assert texts == [store.raw(name)[1] for name in names]

    bundle = min(unpacked)  # it stands before its parts
    assert 101 == len(unpacked)
    assert 1 == unpacked[bundle]


def test_large_objects_are_not_kept(tmp_path, unpacked):
    """They would fill the memory, and nothing is a part of them."""
    data = bytes(range(256)) * 8000
    (name, *_) = stored(tmp_path, [data, *(b"\0%d" % number for number in range(20))])

    with Store(tmp_path) as store:
        for _ in range(2):
            assert data == store.raw(name)[1]

    assert 2 <= max(unpacked.values())
