"""NumPy archives, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from gcn2snn.errors import ArtefactError, reason_of
from gcn2snn.files import replacing

# Its keywords are the names of the arrays, which its annotations do not say.
_save = cast(Callable[..., None], np.savez_compressed)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Write named arrays as ``.npz``.

    Raises:
        ArtefactError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        _save(file, **arrays)


def load_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """Read the named arrays of an ``.npz`` file.

    Raises:
        ArtefactError: it is missing, damaged, or no archive.
    """
    try:
        with path.open("rb") as file:  # np.load leaves a damaged file open
            found = np.load(file)
            if not isinstance(found, np.lib.npyio.NpzFile):
                raise ValueError("it is a single array")
            return {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ArtefactError(f"{path} cannot be read: {reason_of(error)}. Export the network again") from error
