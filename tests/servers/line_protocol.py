"""Line protocol, as far as the test servers need it: measurement, tags, typed
fields, an optional timestamp. A line that can't be read raises LineError with
the words of the real server where they are known (fixtures/http)."""

import re
from dataclasses import dataclass

PRECISIONS = {
    "nanosecond": 1, "microsecond": 10**3, "millisecond": 10**6, "second": 10**9,
    "ns": 1, "n": 1, "us": 10**3, "u": 10**3, "ms": 10**6, "s": 10**9,
}  # fmt: skip


class LineError(Exception):
    pass


@dataclass
class Point:
    measurement: str
    tags: list  # (key, value)
    fields: list  # (key, kind, value), kind as in FIELD_KINDS
    time: int | None  # as written, in the request's precision
    line_number: int = 0
    line: str = ""


def guess_precision(time):
    """`auto`: the unit in which the number is a time near ours, as the real server guesses."""
    value = abs(time) // 10**9
    if value < 5:
        return 10**9
    if value < 5_000:
        return 10**6
    return 10**3 if value < 5_000_000 else 1


def split_unescaped(text, separator, quotes=False):
    """Parts of `text` between separators that are neither escaped nor, where
    asked, between quotes. Escapes and quotes stay in the parts."""
    parts, begin, quoted = [], 0, False
    for match in re.finditer(r'\\.|"|' + re.escape(separator), text, re.DOTALL):
        if match.group() == '"':
            quoted = quotes and not quoted
        elif match.group() == separator and not quoted:
            parts.append(text[begin : match.start()])
            begin = match.end()
    return parts + [text[begin:]]


def unescape(text):
    return re.sub(r'\\([,= "\\])', r"\1", text)


def parse_field(text):
    parts = split_unescaped(text, "=", quotes=True)
    if len(parts) != 2 or not parts[0] or not parts[1]:
        raise LineError("No fields were provided")
    key, value = unescape(parts[0]), parts[1]
    if value[0] == '"':
        if len(value) < 2 or value[-1] != '"':
            raise LineError(f"Could not parse entire line. Found trailing content: `{value}`")
        return key, "string", re.sub(r'\\(["\\])', r"\1", value[1:-1])
    if re.fullmatch(r"[-+]?\d+i", value):
        return key, "integer", int(value[:-1])
    if re.fullmatch(r"\+?\d+u", value):
        return key, "uinteger", int(value[:-1])
    if value in ("t", "T", "true", "True", "TRUE", "f", "F", "false", "False", "FALSE"):
        return key, "boolean", value[0] in "tT"
    try:
        return key, "float", float(value)
    except ValueError:
        raise LineError("No fields were provided") from None


def parse_line(line):
    parts = [part for part in split_unescaped(line, " ", quotes=True) if part]
    if len(parts) < 2:
        raise LineError("No fields were provided")
    if len(parts) > 3:
        raise LineError(f"Could not parse entire line. Found trailing content: `{' '.join(parts[3:])}`")
    series = split_unescaped(parts[0], ",")
    if not series[0]:
        raise LineError("Invalid measurement was provided")
    tags = []
    for tag in series[1:]:
        pair = split_unescaped(tag, "=")
        if len(pair) != 2 or not pair[0] or not pair[1]:
            raise LineError(f"Tag set malformed: could not find equals sign in `{tag}`")
        tags.append((unescape(pair[0]), unescape(pair[1])))
    fields = [parse_field(item) for item in split_unescaped(parts[1], ",", quotes=True)]
    time = None
    if len(parts) == 3:
        if not re.fullmatch(r"[-+]?\d+", parts[2]) or not -(2**63) <= int(parts[2]) < 2**63:
            raise LineError(f"Could not parse entire line. Found trailing content: `{parts[2]}`")
        time = int(parts[2])
    return Point(unescape(series[0]), tags, fields, time)


def lines_of(body):
    """(number from 1, text) of each line that is neither empty nor a comment."""
    for number, line in enumerate(body.decode("utf-8").split("\n"), start=1):
        text = line.rstrip("\r").strip(" ")
        if text and not text.startswith("#"):
            yield number, text
