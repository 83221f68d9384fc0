"""The bytes and files of a 1.x or 2.x WAL: segments `_NNNNN.wal` per shard.

An entry is a type byte (1: points), its length (4 bytes, big endian) and a
Snappy block. test_influxdb2.py encodes the fixtures to their own bytes again.
"""

import os
import re
import struct

WRITE_ENTRY = 1
KINDS = ("float", "integer", "boolean", "string", "uinteger")  # 1 to 5 on disk


def varint(value):
    data = bytearray()
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def snappy_encode(data):
    """A valid block that compresses nothing: the length, then literals."""
    block = varint(len(data))
    for start in range(0, len(data), 65536):
        literal = data[start : start + 65536]
        count = len(literal) - 1
        if count < 60:
            block += bytes([count << 2])
        elif count < 256:
            block += bytes([60 << 2, count])
        else:
            block += bytes([61 << 2]) + count.to_bytes(2, "little")
        block += literal
    return block


def snappy_decode(block):
    """Of literals only: what snappy_encode writes, and short real entries."""
    at = shift = length = 0
    while True:
        byte = block[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    data = bytearray()
    while at < len(block):
        tag = block[at]
        if tag & 3:
            raise ValueError("a Snappy copy; this decoder reads literals only")
        count, extra = tag >> 2, max(0, (tag >> 2) - 59)
        if extra:
            count = int.from_bytes(block[at + 1 : at + 1 + extra], "little")
        at += 1 + extra
        data += block[at : at + count + 1]
        at += count + 1
    if len(data) != length:
        raise ValueError(f"{len(data)} bytes where {length} were announced")
    return bytes(data)


def encode_values(series):
    """`series` is [(key, kind, [(time ns, value)])], key as `table,tag=a#!~#field`."""
    data = b""
    for key, kind, values in series:
        raw = key.encode()
        data += struct.pack(">BH", KINDS.index(kind) + 1, len(raw)) + raw + struct.pack(">I", len(values))
        for time, value in values:
            data += struct.pack(">q", time)
            if kind == "string":
                data += struct.pack(">I", len(value.encode())) + value.encode()
            else:
                data += struct.pack({"float": ">d", "integer": ">q", "boolean": ">B", "uinteger": ">Q"}[kind], value)
    return data


def decode_values(data):
    at, series = 0, []
    while at < len(data):
        kind_code, key_length = struct.unpack_from(">BH", data, at)
        key, kind = data[at + 3 : at + 3 + key_length].decode(), KINDS[kind_code - 1]
        at += 3 + key_length
        count = struct.unpack_from(">I", data, at)[0]
        at += 4
        values = []
        for _ in range(count):
            time = struct.unpack_from(">q", data, at)[0]
            at += 8
            if kind == "string":
                length = struct.unpack_from(">I", data, at)[0]
                value = data[at + 4 : at + 4 + length].decode()
                at += 4 + length
            else:
                form = {"float": ">d", "integer": ">q", "boolean": ">B", "uinteger": ">Q"}[kind]
                value = struct.unpack_from(form, data, at)[0]
                at += struct.calcsize(form)
            values.append((time, value))
        series.append((key, kind, values))
    return series


def encode_entry(series):
    block = snappy_encode(encode_values(series))
    return struct.pack(">BI", WRITE_ENTRY, len(block)) + block


def decode_segment(data):
    at, entries = 0, []
    while at < len(data):
        kind, length = struct.unpack_from(">BI", data, at)
        if kind != WRITE_ENTRY:
            raise ValueError(f"entry of type {kind}")
        entries.append(decode_values(snappy_decode(data[at + 5 : at + 5 + length])))
        at += 5 + length
    return entries


class ShardWal:
    """The segments of one shard, with the upstream's own rules for when a
    segment begins. Not safe from several threads: its owner locks."""

    def __init__(self, directory, segment_bytes):
        self.directory, self.segment_bytes = directory, segment_bytes
        os.makedirs(directory, exist_ok=True)
        self._file = None
        self._size = 0
        self._id = 0
        names = self.segments()
        if names:
            self._id = int(names[-1][1:6])
            path = os.path.join(directory, names[-1])
            if os.path.getsize(path) == 0:
                os.unlink(path)  # its successor gets the next number, at the first write
            else:
                self._file, self._size = open(path, "ab"), os.path.getsize(path)

    def segments(self):
        return sorted(name for name in os.listdir(self.directory) if re.fullmatch(r"_\d{5,}\.wal", name))

    def size(self):
        return sum(os.path.getsize(os.path.join(self.directory, name)) for name in self.segments())

    def _begin_segment(self):
        if self._file is not None:
            self._file.close()
        self._id += 1
        self._file, self._size = open(os.path.join(self.directory, f"_{self._id:05d}.wal"), "xb"), 0

    def append(self, entry):
        if self._file is None or self._size > self.segment_bytes:
            self._begin_segment()
        self._file.write(entry)
        self._file.flush()
        self._size += len(entry)

    def close_segment(self):
        """Begins a new segment unless the open one is empty; returns the closed ones."""
        if self._file is None or self._size > 0:
            self._begin_segment()
        return [os.path.join(self.directory, name) for name in self.segments()[:-1]]

    def close(self):
        if self._file is not None:
            self._file.close()
            self._file = None
