from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from gcn2snn.errors import ArtefactError
from gcn2snn.files import load_json, load_tensors, replacing, save_json, save_tensors


def saved(path: Path, version: int = 1) -> Path:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False]), "empty": torch.zeros(0, 3)}
    return save_tensors(path, tensors, kind="graph", version=version, meta={"name": "Ω", "n": 3})


def test_save_tensors_round_trip(tmp_path: Path) -> None:
    tensors, meta = load_tensors(saved(tmp_path / "x"), kind="graph", version=1)
    assert torch.equal(tensors["a"], torch.arange(6.0).view(2, 3))
    assert tensors["empty"].shape == (0, 3)
    assert meta == {"name": "Ω", "n": 3}


def test_load_tensors_names_what_is_wrong(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", version=7)
    with pytest.raises(ArtefactError, match="format version 7; this release reads version 1"):
        load_tensors(path, kind="graph", version=1)
    with pytest.raises(ArtefactError, match=r"holds 'gcn2snn\.graph'; a gcn2snn\.snn file is needed"):
        load_tensors(path, kind="snn", version=1)
    with pytest.raises(ArtefactError, match="does not exist"):
        load_tensors(tmp_path / "none", kind="graph", version=1)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_load_tensors_refuses_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path / "x")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtefactError, match="truncated or edited"):
        load_tensors(path, kind="graph", version=1)


def test_load_tensors_notices_one_changed_byte(tmp_path: Path) -> None:
    path = saved(tmp_path / "x")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="checksum"):
        load_tensors(path, kind="graph", version=1)


def test_load_tensors_refuses_pickle(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "x.pt")
    with pytest.raises(ArtefactError, match="cannot be read"):
        load_tensors(tmp_path / "x.pt", kind="graph", version=1)


def test_replacing_keeps_the_old_file_when_the_write_fails(tmp_path: Path) -> None:
    path = save_json(tmp_path / "x.json", {"old": 1})

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("{")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert load_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_replacing_reports_a_full_disk_and_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    def write() -> None:
        with replacing(tmp_path / "x") as temporary:
            temporary.unlink()
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"x" * 100)

    with pytest.raises(ArtefactError, match="No space left"):
        write()
    assert os.listdir(tmp_path) == []


def test_save_tensors_reports_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot write"):
        saved(tmp_path / "file" / "x")


def test_load_json_refuses_half_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a": 1})[:4])
    with pytest.raises(ArtefactError, match="truncated or edited"):
        load_json(tmp_path / "x.json")
