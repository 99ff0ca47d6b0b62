"""The journal of a search: a line for each measured configuration, so that a search that was stopped goes on."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from gcn2snn.errors import ArtefactError, Gcn2SnnError, way_out_of
from gcn2snn.tune.point import Point, point_dict, point_of


@dataclass(frozen=True)
class Measured:
    """A configuration as the sampler names it, and what measuring it gave."""

    parameters: dict[str, object]
    point: Point


class Journal:
    """The measured configurations of one search, in order, in a file that searches of other keys may share.

    Each line carries the key of its search, its number, and a checksum. A line that a kill or a full disk cut off is
    dropped: what it would have held is measured again. The caller holds the file's lock.

    Args:
        path: of the file; it is made with the first line.
        key: hash of everything that the measured numbers and their order depend on.

    Raises:
        ArtefactError: a line was changed after it was written, or the file cannot be read.
    """

    def __init__(self, path: Path, key: str):
        self.path, self.key = path, key
        self.measured: list[Measured] = []
        try:
            content = path.read_bytes() if os.path.lexists(path) else b""
            whole = content.rfind(b"\n") + 1
            if whole < len(content):  # what is written next would be joined to the piece of a line
                os.truncate(path, whole)
        except OSError as error:
            raise ArtefactError(
                f"{path} cannot be read: {error.strerror or error}. Delete it to search anew"
            ) from error
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                self._take(line)
            except (ValueError, KeyError, TypeError, RecursionError, Gcn2SnnError) as error:
                raise ArtefactError(
                    f"{path} is damaged in line {number} ({error}). Delete it to search anew"
                ) from error

    def _take(self, line: bytes) -> None:
        check, _, text = line.partition(b" ")
        if check.decode("ascii", "replace") != _checksum(text):
            raise ValueError("its checksum differs")
        values = json.loads(text)
        if values["key"] != self.key:
            return
        if not isinstance(values["parameters"], dict):
            raise ValueError("its parameters are no JSON object")
        if values["number"] != len(self.measured):
            raise ValueError(f"number {len(self.measured)} of the search is missing")
        self.measured.append(Measured(values["parameters"], point_of(values["point"])))

    def add(self, found: Measured) -> None:
        """Write a line, and come back when the disk has it.

        Raises:
            ArtefactError: it cannot be written.
        """
        values = {"key": self.key, "number": len(self.measured), "parameters": found.parameters}
        text = json.dumps(values | {"point": point_dict(found.point)}).encode()
        try:
            with self.path.open("ab") as file:
                file.write(_checksum(text).encode() + b" " + text + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ArtefactError(
                f"cannot write {self.path}: {error.strerror or error}. {way_out_of(error)}; the same command then goes on"
            ) from error
        self.measured.append(found)


def _checksum(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]
