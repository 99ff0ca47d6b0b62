"""UTF-16 and UTF-32 without a byte order mark, recognised by its bytes: much of it is valid UTF-8 as well, with another meaning."""

from __future__ import annotations

import unicodedata

from gcn2snn.errors import DataError

LOOKED = 2000
"""Bytes at the start of a file that are judged; a multiple of four."""

CONTROLS = tuple(bytes([value]) for value in (*range(1, 9), 11, *range(14, 27), *range(28, 32), 127))
"""Control characters that no text holds."""

_NO_TEXT = bytes([0, *b"".join(CONTROLS)])
_SEPARATORS = b"\t\n\f\r\x1b"
"""Control characters that texts do hold, and that are the upper half of letters as well: of Devanagari the tab."""


def refuse_unmarked(name: str, start: bytes) -> None:
    r"""Refuse a text that looks like UTF-16 or UTF-32 without its mark; nothing is decoded by a guess.

    >>> refuse_unmarked("слово.txt", "слово".encode("utf-16-le"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    gcn2snn.errors.DataError: слово.txt looks like UTF-16 without its byte order mark. Give --encoding utf-16-le if it is, ...

    Args:
        name: of the file, for the message.
        start: its first bytes, at least :data:`LOOKED` of them where it has so many.

    Raises:
        DataError: names the encoding.
    """
    found = unmarked_encoding(start)
    if found:
        other = "" if 0 in start else ", and --encoding utf-8 if it is UTF-8 all the same"  # which has no zero bytes
        raise DataError(
            f"{name} looks like {found[:6].upper()} without its byte order mark. Give --encoding {found} if it is{other}"
        )


def unmarked_encoding(start: bytes) -> str:
    """The encoding that bytes are in by strong evidence, empty where there is none.

    In UTF-16 every letter of an alphabet has the same upper half, a byte below 32: 0 in English, 4 in Russian, 14 in Thai.
    UTF-8 holds such bytes rarely, and most of them never. Chinese and Japanese in UTF-16 give no such evidence; most of
    it is no UTF-8.

    >>> unmarked_encoding("one two".encode("utf-16-be")), unmarked_encoding(b"one two")
    ('utf-16-be', '')
    """
    start = start[: min(len(start), LOOKED) // 2 * 2]
    for encoding in ("utf-32-le", "utf-32-be") if 0 in start else ():
        if _readable(start[: len(start) // 4 * 4], encoding):
            return encoding
    orders = {"utf-16-le": (start[1::2], start[::2]), "utf-16-be": (start[::2], start[1::2])}
    likely = {name: rank for name, halves in orders.items() if (rank := _likelihood(*halves))}
    found = [name for name in sorted(likely, key=likely.__getitem__) if _readable(start, name)]
    return found[-1] if found else ""


def _likelihood(upper: bytes, lower: bytes) -> tuple[float, int, int] | None:
    """How much speaks for these as the halves of letters, to be compared with the other order; None: nothing does."""
    controls = len(upper) - len(upper.translate(None, _NO_TEXT))
    if 2 * controls > len(upper):
        return controls / len(upper), -len(set(upper)), -sum(upper)  # a text has few alphabets, and common ones
    # At least three characters with the same separator behind each, which are more than a column of letters and digits.
    cells = len(lower) > 2 and upper[:1] in _SEPARATORS and upper.count(upper[:1]) == len(upper)
    return (1.0, -1, -sum(upper)) if cells and not lower.isalnum() else None


def _readable(start: bytes, encoding: str) -> str:
    """The text that bytes are in an encoding, empty where it is none: not decodable, or with what no text holds."""
    try:
        text = start.decode(encoding)
    except UnicodeDecodeError as error:
        if error.end < len(start):
            return ""
        text = start[: error.start].decode(encoding)  # the last letter lies behind the bytes that were looked at
    odd = ("Cc", "Cn", "Co", "Cs")
    whole = all(unicodedata.category(letter) not in odd or letter in "\t\n\f\r\x1b\x85" for letter in text)
    return text if whole else ""
