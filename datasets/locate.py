"""Where files are: an explicit root, GCN2SNN_DATA, the user's cache folder; each file checked against its sha256."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

from gcn2snn.datasets.registry import Dataset, File
from gcn2snn.errors import DataError
from gcn2snn.files import cache_folder, folder_of_variable

DATA_VARIABLE = "GCN2SNN_DATA"


def fetched_root() -> Path:
    """The data root that fetched files are written to.

    >>> fetched_root().name
    'data'
    """
    return cache_folder() / "data"


def search_roots(root: str | Path | None = None) -> list[Path]:
    """Data roots in search order.

    >>> search_roots(".")[0]
    PosixPath('.')

    Raises:
        DataError: the explicit root, or the one that GCN2SNN_DATA names, is not a folder.
        ArtefactError: a variable names the home folder of somebody who is not known here.
    """
    roots = []
    if root is not None:
        if not Path(root).is_dir():
            raise DataError(
                f"the data folder {root} does not exist; give the folder that holds textgcn/ and planetoid/"
            )
        roots.append(Path(root))
    named = folder_of_variable(DATA_VARIABLE)
    if named is not None:
        # A name with a typing error would otherwise be passed over, and everything fetched once more.
        if not named.is_dir():
            raise DataError(
                f"{DATA_VARIABLE} is {str(named)!r}, which is no folder; set it to the folder that holds textgcn/ and "
                f"planetoid/, or unset it"
            )
        roots.append(named)
    return [*roots, fetched_root()]


def located(row: Dataset, root: str | Path | None = None) -> Path | None:
    """The first root that has every file of the dataset, or None; nothing is read.

    >>> from gcn2snn.datasets import find
    >>> located(find("karate"), ".")  # it needs no file, so any folder has it
    PosixPath('.')
    """
    return next((base for base in search_roots(root) if all(stored_path(base, file) for file in row.files)), None)


def stored_path(base: Path, file: File) -> Path | None:
    """The file below a root, plain or packed with xz, or None."""
    plain = base / file.path
    return next((path for path in (plain, plain.with_name(plain.name + ".xz")) if path.is_file()), None)


def read_files(row: Dataset, root: str | Path | None = None, *, progress: bool = True) -> list[bytes]:
    """Content of the dataset's files, unpacked and checked; fetched when it is nowhere.

    Raises:
        DataError: a file is unreadable or not the published one, or the dataset can neither be found nor fetched.
    """
    base = located(row, root)
    if base is None:
        from gcn2snn.datasets.fetching import fetch

        base = fetch(row.name, looked_in=search_roots(root), progress=progress)
    return [read_checked(base, file, row.name) for file in row.files]


def read_checked(base: Path, file: File, name: str) -> bytes:
    """One file, unpacked, checked against its sha256.

    Raises:
        DataError: missing, unreadable, damaged, or with another checksum.
    """
    path = stored_path(base, file)
    if path is None:
        raise DataError(f"{base / file.path} is missing; run: gcn2snn datasets fetch {name}")
    try:
        data = path.read_bytes()
        if path.suffix == ".xz":
            data = lzma.decompress(data)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}. Check its permissions") from error
    except lzma.LZMAError as error:
        raise DataError(f"{path} is damaged ({error}). Delete it and run: gcn2snn datasets fetch {name}") from error
    check_sha256(data, file.sha256, str(path), f"Delete it and run: gcn2snn datasets fetch {name}")
    return data


def check_sha256(data: bytes, expected: str, what: str, way_out: str) -> None:
    """Raise a DataError unless the sha256 of ``data`` is the expected one."""
    got = hashlib.sha256(data).hexdigest()
    if got != expected:
        raise DataError(
            f"{what} is not the published file: sha256 {got[:16]}..., expected {expected[:16]}.... {way_out}"
        )
