"""NumPy archives, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

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
