"""Small texts that share one compressed stream, as they would in a tarball.

Git compresses each object alone, and a small text has little in it that repeats: source code comes
out a fifth larger than in a tarball. But an object of a pack may be given as a difference from
another one, and a difference may be no more than "copy these bytes of it". So small texts are
joined to one object, which is compressed as a whole, and each text is a copy of its part.

Every git reads that: https://git-scm.com/docs/gitformat-pack, "Deltified representation".
"""

from dataclasses import dataclass, field

OFFSET_DELTA = 6  # the kind of an object that is a difference from one earlier in the pack
# A reader of one text unpacks the whole bundle, and copies it.
_BUNDLE_BYTES = 500_000
# One copy instruction takes no more, and larger texts have enough in them that repeats.
_MOST_BYTES = 0xFFFF
_FEWEST = 8
# Where git looks for a zero byte to tell a text from other data.
_HEAD_BYTES = 8000


@dataclass
class Bundle:
    """Texts that are to be stored together.

    Attributes:
        members: name (20 bytes) and content of each, in order.
        size: bytes of all contents.
    """

    members: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    size: int = 0

    def add(self, oid: bytes, data: bytes) -> None:
        """Appends a text."""
        self.members.append((oid, data))
        self.size += len(data)

    @property
    def is_full(self) -> bool:
        """Whether the next text belongs to another bundle."""
        return self.size >= _BUNDLE_BYTES

    @property
    def is_worth_it(self) -> bool:
        """Whether the texts are enough to gain from each other."""
        return len(self.members) >= _FEWEST

    def joined(self) -> bytes:
        """The content of the object that they are parts of."""
        return b"".join(data for _, data in self.members)

    def copies(self) -> list[tuple[bytes, bytes]]:
        """The name of each text, and the difference that makes it of `joined()`."""
        found: list[tuple[bytes, bytes]] = []
        start = 0
        for oid, data in self.members:
            found.append((oid, copy_of_part(self.size, start, len(data))))
            start += len(data)
        return found


def belongs_in_bundle(data: bytes) -> bool:
    """Whether a file is a text, and small."""
    return 0 < len(data) <= _MOST_BYTES and b"\0" not in data[:_HEAD_BYTES]


def copy_of_part(source_size: int, start: int, size: int) -> bytes:
    """A difference in git's format: sizes of source and result, and one copy instruction.

    Args:
        source_size: bytes of the object that is copied from.
        start: where the part begins in it, less than 2**32.
        size: bytes of the part, 1 to 65,535.
    """
    assert 0 < size <= _MOST_BYTES
    assert start + size <= source_size < 1 << 32
    places = start.to_bytes(4, "little") + size.to_bytes(3, "little")
    # Bytes that are zero are left out; a bit for each says which are there.
    given = sum(1 << i for i, byte in enumerate(places) if byte)
    instruction = bytes([0x80 | given]) + bytes(byte for byte in places if byte)
    return _size(source_size) + _size(size) + instruction


def distance(offset: int) -> bytes:
    """How far before an object the one that it differs from begins: 7 bits a byte, highest first.

    Each byte but the last stands for one more than its bits, so that no number has two forms.
    """
    found = bytearray([offset & 0x7F])
    while offset := offset >> 7:
        offset -= 1
        found.insert(0, 0x80 | (offset & 0x7F))
    return bytes(found)


def _size(number: int) -> bytes:
    """7 bits a byte, lowest first; the highest bit says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(0x80 | (number & 0x7F))
        number >>= 7
    found.append(number)
    return bytes(found)
