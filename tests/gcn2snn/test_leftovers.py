from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from gcn2snn.files import save_text
from gcn2snn.leftovers import clear_leftovers, temporary_folder, temporary_prefix
from gcn2snn.owner_lock import is_of_the_dead, stamp


def killed(code: str, folder: Path) -> int:
    """The number of a process that printed a line and was then killed."""
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return process.pid


def test_what_killed_processes_left_goes_and_all_else_stays(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from gcn2snn.files import replacing\n"
        "from gcn2snn.leftovers import temporary_folder; place = Path(sys.argv[1])\n"
        "with replacing(place / 'out.txt'), temporary_folder(place, 'build') as made:\n"
        "    (made / 'half').write_text('x'); print('in', flush=True); time.sleep(60)"
    )
    killed(code, tmp_path)
    left = sorted(os.listdir(tmp_path))
    assert [name.split(".")[1] for name in left] == ["build", "out"]
    others = ["other.part", ".out.txt.part", ".out.txt.0123abcd-1-0123abcd.abcdefgh.part"]
    for name in others:
        (tmp_path / name).write_text("")
    with temporary_folder(tmp_path, "mine") as mine:
        clear_leftovers(tmp_path)
        assert set(os.listdir(tmp_path)) == {*others, mine.name}
    save_text(tmp_path / "out.txt", "whole")
    assert set(os.listdir(tmp_path)) == {*others, "out.txt"}


def test_a_process_that_runs_is_not_dead() -> None:
    assert not is_of_the_dead(stamp())
    host, _, started = stamp().split("-")
    assert not is_of_the_dead(f"0123abcd-999999999-{started}")  # of another machine nothing is known
    assert is_of_the_dead(f"{host}-999999999-{started}")
    assert is_of_the_dead(f"{host}-{os.getpid()}-0123abcd") == Path("/proc/self/stat").exists()  # a number used again


def test_temporary_names_fit_however_long_a_name_is() -> None:
    assert len(os.fsencode(temporary_prefix(Path("\N{HIRAGANA LETTER A}" * 80)))) < 180
