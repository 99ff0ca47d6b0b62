from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from gcn2snn import cli, start
from gcn2snn.errors import Terminated

RUN = "import sys; sys.argv[0] = 'gcn2snn'\nfrom gcn2snn.start import main\nmain()"


def python(code: str, *words: object, **options: object) -> subprocess.CompletedProcess[str]:
    def hear() -> None:  # a test that runs in the background would ignore Ctrl-C, and so would its children
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number in options.get("closed", ()):  # type: ignore[attr-defined]
            os.close(number)

    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=hear, timeout=120)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_during_an_import_ends_the_process_at_once(tmp_path: Path, name: str, code: int) -> None:
    module = (
        "import os, signal\ntry:\n    os.kill(os.getpid(), signal.{})\nexcept BaseException: pass\nprint('swallowed')"
    )
    (tmp_path / "slow_module.py").write_text(module.format(name))
    done = python(
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from gcn2snn import start; start._hear_signals()\n"
        "start._state[0] = 'working'\n"
        "from pathlib import Path; from gcn2snn.owner_lock import owned\n"
        "from gcn2snn.files import replacing\n"
        f"place = Path({str(tmp_path)!r})\n"
        "with owned(place, folder=True), replacing(place / 'out.txt'):\n    print('so far'); import slow_module"
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "so far\n", f"{start.STOPPED}\n")
    assert [name for name in os.listdir(tmp_path) if name != "__pycache__"] == ["slow_module.py"]


def test_a_signal_while_an_object_is_removed_is_not_lost() -> None:
    done = python(
        "import os, signal; from gcn2snn import start; start._hear_signals(); start._state[0] = 'working'\n"
        "class Removed:\n    def __del__(self): os.kill(os.getpid(), signal.SIGINT); sum(range(10**5))\n"
        "thing = Removed(); del thing; print('went on')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{start.STOPPED}\n")


@pytest.mark.parametrize(("rank", "said"), [("0", f"{start.STOPPED}\n"), ("1", "")])
def test_of_several_ranks_the_first_says_that_they_were_stopped(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], rank: str, said: str
) -> None:
    def stopped() -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(cli, "main", stopped)
    assert start._run() == 130
    assert capfd.readouterr().err == said


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_before_the_work_ends_the_process_in_one_line(name: str, code: int) -> None:
    done = python(
        "import os, signal; from gcn2snn import start; opened = start._open_closed_streams\n"
        f"start._open_closed_streams = lambda: (os.kill(os.getpid(), signal.{name}), opened())\n"
        "start.main()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{start.STOPPED}\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_after_the_work_changes_nothing(name: str) -> None:
    done = python(
        "import os, signal, sys; sys.argv = ['gcn2snn', '--version']; from gcn2snn import start; run = start._run\n"
        f"def late():\n    code = run()\n    os.kill(os.getpid(), signal.{name})\n    return code\n"
        "start._run = late; start.main()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{version('gcn2snn')}\n", "")


def test_a_signal_at_work_is_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_received", [])
    monkeypatch.setattr(start, "_state", ["working"])
    frame = sys._getframe()
    monkeypatch.setattr(start, "IMPORTS", "nowhere")  # pytest itself may have been imported by an import
    with pytest.raises(KeyboardInterrupt) as stop:
        start._stop(signal.SIGINT, frame)
    assert stop.type is KeyboardInterrupt
    with pytest.raises(Terminated):
        start._stop(signal.SIGTERM, frame)
    assert start._received == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_a_verb_that_is_stopped_says_so_in_one_line(
    stop: type[KeyboardInterrupt], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise stop

    monkeypatch.setattr(sys.modules["gcn2snn.cli.info"], "described", stopped)  # the package's own name is the verb
    monkeypatch.setattr(sys, "argv", ["gcn2snn", "info", "nowhere"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == code
    assert capsys.readouterr().err == "gcn2snn: stopped; no half-written file is left. Give the same command again\n"


def test_exit_codes_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "_hear_signals", lambda: None)
    monkeypatch.setattr(start, "_state", ["starting"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for received, told, code in (([], 2, 2), ([], None, 0), ([signal.SIGTERM], 130, 143), ([signal.SIGINT], 130, 130)):
        monkeypatch.setattr(start, "_received", received)
        monkeypatch.setattr(cli, "main", lambda told=told: sys.exit(told))
        with pytest.raises(SystemExit) as end:
            start.main()
        assert end.value.code == code


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_streams_are_quiet(closed: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    for words in (["--help"], ["info", tmp_path / "x.json"], ["info", tmp_path / "x.json", "--json"]):
        done = python(RUN, *words, closed=closed)
        assert (done.returncode, done.stdout) == (0, "")
        assert "Traceback" not in done.stderr
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_reader_that_goes_is_quiet_and_a_full_disk_is_not() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-c", RUN, "--help"], stdout=write, stderr=subprocess.PIPE, text=True, timeout=120
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:
            done = subprocess.run([sys.executable, "-c", RUN, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("gcn2snn: error: ")
        assert "No space left on device" in done.stderr
        with open("/dev/full", "w") as full:
            done = subprocess.run([sys.executable, "-c", RUN, "info", "nowhere"], stdout=full, stderr=full)
        assert done.returncode == 2


@pytest.mark.parametrize("value", ["abc", "", "0", "-1", "2,x", "99999999999"])
def test_a_number_of_threads_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    done = python(RUN, "--version")
    assert (done.returncode, done.stdout) == (2, "")
    wanted = (
        f"gcn2snn: error: OMP_NUM_THREADS is {value!r}; allowed is a positive whole number. Give one, or unset it\n"
    )
    assert done.stderr == wanted


@pytest.mark.parametrize(("given", "policy"), [(None, "passive"), ("active", "active")])
def test_idle_threads_sleep_unless_the_user_decides(
    monkeypatch: pytest.MonkeyPatch, given: str | None, policy: str
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    done = python(
        "import os, sys; from gcn2snn import start\n"
        "start._run = lambda: print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules) or 0\n"
        "start.main()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{policy} False\n", "")


def test_cycles_are_looked_for_seldom_and_not_at_the_end() -> None:
    done = python(
        "import atexit, gc; from gcn2snn import start\n"
        "atexit.register(lambda: print(gc.get_freeze_count() > 0))\n"
        "start._run = lambda: print(gc.isenabled(), gc.get_threshold()[0]) or 0\n"
        "start.main()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"True {start.OBJECTS_A_SEARCH}\nTrue\n", "")


@pytest.mark.parametrize(
    ("limit", "megabytes", "option", "what"),
    [
        ("RLIMIT_AS", 450, "-v", "address space"),
        ("RLIMIT_AS", 560, "-v", "address space"),
        ("RLIMIT_DATA", 50, "-d", "data"),
    ],
)
def test_torch_is_not_loaded_into_a_process_with_too_little_room(
    tmp_path: Path, limit: str, megabytes: int, option: str, what: str
) -> None:
    def small(*words: str) -> subprocess.CompletedProcess[str]:
        code = f"import resource; resource.setrlimit(resource.{limit}, ({megabytes << 20},) * 2)\n{RUN}"
        return python(code, *words)

    done = small("train", "karate", "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"may have {megabytes} MiB of {what} (ulimit {option} {megabytes << 10}), and PyTorch alone" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not any(tmp_path.iterdir())
    assert small("train", "--help").returncode == 0  # what needs no torch still works


def test_torch_is_not_loaded_in_a_folder_that_was_removed(tmp_path: Path) -> None:
    def nowhere(*words: str) -> subprocess.CompletedProcess[str]:
        place = tmp_path / "gone"
        place.mkdir()
        return python(f"import os; os.chdir({str(place)!r}); os.rmdir({str(place)!r})\n{RUN}", *words)

    done = nowhere("train", "karate", "--out", str(tmp_path / "run"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gcn2snn: error: the current folder was removed while this shell was in it")
    assert not any(tmp_path.iterdir())
    assert nowhere("datasets", "list").returncode == 0
