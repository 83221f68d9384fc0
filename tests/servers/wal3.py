"""The bytes of 3.x: WAL files and snapshot files.

A WAL file is the magic, a CRC-32 of all that follows it, and the contents
written column by column (the layout of the bitcode library: all values of a
field together, integers in the smallest of 8, 4, 2 or 1 bytes that holds them).
The shapes below are those of every 3.x release so far. Whatever decodes here
encodes to the same bytes again: test_wal3.py does so with each fixture.
"""

import json
import struct
import zlib
from dataclasses import dataclass

MAGIC = b"idb3.001"
HEADER_BYTES = 12  # magic and checksum
U64_MAX = 2**64 - 1


class DamagedFile(Exception):
    """`reason` is empty, short, magic, checksum or contents."""

    def __init__(self, reason, message):
        super().__init__(message)
        self.reason = reason


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise DamagedFile("contents", f"ends at byte {len(self.data)}, in the middle of a value")
        self.at += count
        return self.data[self.at - count : self.at]


# Bytes that are all small share a byte: `states` values each, `per` in one byte.
_BYTE_PACKINGS = [(256, 1), (16, 2), (6, 3), (4, 4), (3, 5), (2, 8)]


def _byte_packing(largest):
    for code in range(len(_BYTE_PACKINGS) - 1, -1, -1):
        if largest < _BYTE_PACKINGS[code][0]:
            return code
    raise ValueError(largest)


def pack_bytes(values):
    if len(values) <= 2:
        return bytes(values)
    basic, spread = _byte_packing(max(values)), _byte_packing(max(values) - min(values))
    head, code = bytes([basic * 2]), basic
    if spread > basic and len(values) > 5:
        head, code = bytes([spread * 2 - 1, min(values)]), spread
        values = [value - min(values) for value in values]
    states, per = _BYTE_PACKINGS[code]
    if states == 256:
        return head + bytes(values)
    packed = bytearray()
    for start in range(0, len(values), per):
        total = 0
        for value in reversed(values[start : start + per]):
            total = total * states + value
        packed.append(total)
    return head + bytes(packed)


def unpack_bytes(reader, count):
    if count <= 2:
        return list(reader.take(count))
    head = reader.take(1)[0]
    code, offset = (head + 1) // 2, head & 1
    if code >= len(_BYTE_PACKINGS):
        raise DamagedFile("contents", f"unknown byte packing {head}")
    smallest = reader.take(1)[0] if offset else 0
    states, per = _BYTE_PACKINGS[code]
    if states == 256:
        return list(reader.take(count))
    values = []
    for total in reader.take(-(-count // per)):
        for _ in range(min(per, count - len(values))):
            values.append(total % states + smallest)
            total //= states
    return values


def _int_packing(width, smallest, largest):
    """How many times `width` bytes can be halved; 0 where a value is negative."""
    steps = 0
    while smallest >= 0 and width > 1 and largest < 1 << (4 * width):
        width //= 2
        steps += 1
    return steps


class Int:
    """`width` bytes at most; a head byte of twice the halvings, one less where
    the smallest value is written first and taken off the others."""

    def __init__(self, width, signed=False):
        self.width, self.signed = width, signed

    def encode(self, values):
        if not values:
            return b""
        smallest, largest = min(values), max(values)
        steps, spread = _int_packing(self.width, smallest, largest), _int_packing(self.width, 0, largest - smallest)
        head = bytes([steps * 2])
        if spread > steps and len(values) > 5:
            head = bytes([spread * 2 - 1]) + smallest.to_bytes(self.width, "little", signed=self.signed)
            values, steps = [value - smallest for value in values], spread
        width = self.width >> steps
        if width == 1:
            return head + pack_bytes(values)
        return head + b"".join(value.to_bytes(width, "little", signed=value < 0) for value in values)

    def decode(self, reader, count):
        if not count:
            return []
        head = reader.take(1)[0]
        steps, offset = (head + 1) // 2, head & 1
        width = self.width >> steps
        if width == 0:
            raise DamagedFile("contents", f"unknown width byte {head}")
        smallest = int.from_bytes(reader.take(self.width), "little", signed=self.signed) if offset else 0
        if width == 1:
            return [value + smallest for value in unpack_bytes(reader, count)]
        signed = self.signed and steps == 0
        return [int.from_bytes(reader.take(width), "little", signed=signed) + smallest for _ in range(count)]


class Float:
    """The bits of a double, packed as an unsigned integer."""

    def encode(self, values):
        return Int(8).encode(list(struct.unpack(f"<{len(values)}Q", struct.pack(f"<{len(values)}d", *values))))

    def decode(self, reader, count):
        bits = Int(8).decode(reader, count)
        return list(struct.unpack(f"<{count}d", struct.pack(f"<{count}Q", *bits)))


class Bool:
    def encode(self, values):
        return bytes(
            sum(value << bit for bit, value in enumerate(values[start : start + 8])) for start in range(0, len(values), 8)
        )

    def decode(self, reader, count):
        data = reader.take(-(-count // 8))
        return [bool(data[index // 8] >> (index % 8) & 1) for index in range(count)]


class Lengths:
    def encode(self, values):
        large = [value for value in values if value >= 255]
        return pack_bytes([min(value, 255) for value in values]) + Int(8).encode(large)

    def decode(self, reader, count):
        small = unpack_bytes(reader, count)
        large = iter(Int(8).decode(reader, small.count(255)))
        return [next(large) if value == 255 else value for value in small]


class Str:
    def encode(self, values):
        texts = [value.encode() for value in values]
        return Lengths().encode([len(text) for text in texts]) + b"".join(texts)

    def decode(self, reader, count):
        return [reader.take(length).decode() for length in Lengths().decode(reader, count)]


class Struct:
    """Values are tuples, one place per column."""

    def __init__(self, *columns):
        self.columns = columns

    def encode(self, values):
        return b"".join(column.encode([value[place] for value in values]) for place, column in enumerate(self.columns))

    def decode(self, reader, count):
        columns = [column.decode(reader, count) for column in self.columns]
        return list(zip(*columns)) if count else []


class Vec:
    def __init__(self, element):
        self.element = element

    def encode(self, values):
        flat = [item for value in values for item in value]
        return Lengths().encode([len(value) for value in values]) + self.element.encode(flat)

    def decode(self, reader, count):
        lengths = Lengths().decode(reader, count)
        if sum(lengths) > 64 * len(reader.data):
            raise DamagedFile("contents", f"a list of {sum(lengths)} values in {len(reader.data)} bytes")
        flat = iter(self.element.decode(reader, sum(lengths)))
        return [[next(flat) for _ in range(length)] for length in lengths]


class Enum:
    """Values are (variant, content). Contents follow in the order in which
    their variants first appear."""

    def __init__(self, *variants):
        self.variants = variants

    def encode(self, values):
        data = pack_bytes([variant for variant, _ in values])
        for variant in dict.fromkeys(variant for variant, _ in values):
            data += self.variants[variant].encode([content for other, content in values if other == variant])
        return data

    def decode(self, reader, count):
        order = unpack_bytes(reader, count)
        if any(variant >= len(self.variants) for variant in order):
            raise DamagedFile("contents", "unknown variant")
        contents = {
            variant: iter(self.variants[variant].decode(reader, order.count(variant))) for variant in dict.fromkeys(order)
        }
        return [(variant, next(contents[variant])) for variant in order]


class Option:
    def __init__(self, element):
        self.element = element

    def encode(self, values):
        return pack_bytes([value is not None for value in values]) + self.element.encode(
            [value for value in values if value is not None]
        )

    def decode(self, reader, count):
        there = unpack_bytes(reader, count)
        values = iter(self.element.decode(reader, sum(there)))
        return [next(values) if flag else None for flag in there]


FIELD_KINDS = ("time", "key", "tag", "string", "integer", "uinteger", "float", "boolean")
_I64, _U64, _U32, _U16 = Int(8, signed=True), Int(8), Int(4), Int(2)
_FIELD = Struct(_U16, Enum(_I64, Str(), Str(), Str(), _I64, _U64, Float(), Bool()))
_ROW = Struct(_I64, Vec(_FIELD))
_TABLE = Struct(_I64, _I64, Vec(Struct(_I64, Vec(_ROW))))
_WRITE = Struct(_U64, _U32, Str(), Vec(Struct(_U32, _TABLE)), _I64, _I64)
_NOOP = Struct(_I64)
_DETAILS = Struct(_U64, _I64, _U64, _U64, Bool())
_CONTENTS = Struct(_I64, _I64, _I64, _U64, Vec(Enum(_WRITE, _NOOP)), Option(_DETAILS))
WRITE, NOOP = 0, 1


@dataclass
class SnapshotDetails:
    sequence: int
    end_time_marker: int  # ns; chunks that begin before it are persisted
    first_wal: int
    last_wal: int
    forced: bool


@dataclass
class WalContents:
    persist_ms: int
    min_ns: int
    max_ns: int
    number: int
    # (WRITE, (catalog sequence, database id, name, [(table id, (min, max, [(chunk
    # time, [(time, [(column id, (kind, value))])])]))], min, max)) or (NOOP, (time,))
    ops: list
    snapshot: SnapshotDetails | None


def encode_header(persist_ms, min_ns, max_ns, number):
    return b"".join(_I64.encode([value]) for value in (persist_ms, min_ns, max_ns)) + _U64.encode([number])


def decode_header(data):
    """(persist ms, min ns, max ns, number) of a file's first 64 bytes."""
    reader = Reader(data[HEADER_BYTES:64])
    return tuple(column.decode(reader, 1)[0] for column in (_I64, _I64, _I64, _U64))


def encode_file(contents):
    details = contents.snapshot
    flat = None
    if details is not None:
        flat = (details.sequence, details.end_time_marker, details.first_wal, details.last_wal, details.forced)
    row = (contents.persist_ms, contents.min_ns, contents.max_ns, contents.number, contents.ops, flat)
    payload = _CONTENTS.encode([row])
    return MAGIC + zlib.crc32(payload).to_bytes(4, "big") + payload


def decode_file(data):
    if not data:
        raise DamagedFile("empty", "WAL file too small: expected at least 12 bytes, but got 0 bytes")
    if len(data) < HEADER_BYTES:
        raise DamagedFile("short", f"WAL file too small: expected at least 12 bytes, but got {len(data)} bytes")
    if data[:8] != MAGIC:
        raise DamagedFile("magic", "Invalid wal file identifier")
    payload = data[HEADER_BYTES:]
    if zlib.crc32(payload) != int.from_bytes(data[8:12], "big"):
        raise DamagedFile("checksum", "crc32 checksum mismatch")
    reader = Reader(payload)
    *head, ops, flat = _CONTENTS.decode(reader, 1)[0]
    if reader.at != len(payload):
        raise DamagedFile("contents", f"{len(payload) - reader.at} bytes follow the contents")
    return WalContents(*head, ops, SnapshotDetails(*flat) if flat else None)


def wal_name(number):
    return f"{number:011d}.wal"


def wal_number(name):
    """The number of a WAL file's name; None where it is no such name."""
    if len(name) == 15 and name.endswith(".wal") and name[:11].isascii() and name[:11].isdigit():
        return int(name[:11])
    return None


def is_listed(name):
    """Whether the server's listing of wal/ has it: what is still being put there, it leaves out."""
    _, mark, digits = name.rpartition("#")
    return not (mark and digits.isascii() and digits.isdigit())


def snapshot_name(sequence):
    return f"{U64_MAX - sequence:020d}.info.json"


def snapshot_sequence(name):
    digits = name.removesuffix(".info.json")
    if len(digits) == 20 and digits != name and digits.isascii() and digits.isdigit():
        return U64_MAX - int(digits)
    return None


def encode_snapshot(fields):
    return json.dumps(fields, indent=2).encode()
