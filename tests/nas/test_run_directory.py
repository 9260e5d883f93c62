from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codegen.errors import UserError
from nas.files import read_json, write_atomically, write_json
from nas.run_directory import RunDirectory

RECORDS = b'{"op_code":0,"worker_id":"a"}\n{"op_code":4,"worker_id":"a"}\n'


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", "format = 1\n")


def test_a_run_appears_whole(run: RunDirectory) -> None:
    assert run.settings() == {"format": 1}
    assert run.journal.read_bytes() == b""
    assert sorted(p.name for p in run.path.parent.iterdir()) == ["run"]
    assert RunDirectory.open(run.path).path == run.path


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert RunDirectory.create(tmp_path / "run", "").journal.is_file()


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name, reason in (("full", "not empty"), ("file", "a file of that name"), ("file/below", "not a directory")):
        with pytest.raises(UserError, match=f"--out .*{name}.*{reason}"):
            RunDirectory.create(tmp_path / name, "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "full"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(UserError, match="not writable"):
        RunDirectory.create(tmp_path / "locked" / "run", "")


def test_next_free(tmp_path: Path) -> None:
    (tmp_path / "digits-1").mkdir()
    assert RunDirectory.next_free(tmp_path, "digits").name == "digits-2"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_json(target, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"a": float("nan")})
    assert read_json(target) == {"a": 1}
    write_atomically(target, "{}")
    assert read_json(target) == {}
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize("torn", [b'{"op_code":5,"wor', b'{"op_code":5}', b"\xff\x00"])
def test_a_torn_last_line_is_cut_off(run: RunDirectory, torn: bytes) -> None:
    run.journal.write_bytes(RECORDS + torn)
    assert run.repair() == len(torn)
    assert run.journal.read_bytes() == RECORDS
    assert run.repair() == 0


@pytest.mark.parametrize("damage", [b'{"op_code":5,"wor\n', b"\x00\x00\n", b"[]\n"])
def test_damage_elsewhere_names_the_line(run: RunDirectory, damage: bytes) -> None:
    run.journal.write_bytes(RECORDS + damage + RECORDS)
    with pytest.raises(UserError, match=r"study\.journal: damaged at line 3"):
        run.repair()
    assert run.journal.read_bytes() == RECORDS + damage + RECORDS


def test_a_stale_journal_lock_is_removed(run: RunDirectory) -> None:
    lock = run.path / "study.journal.lock"
    lock.symlink_to(run.journal)
    run.repair()
    assert not lock.is_symlink()


def test_only_one_driver_at_a_time(run: RunDirectory) -> None:
    code = f"""
import sys
from pathlib import Path
from nas.run_directory import RunDirectory
with RunDirectory(Path({str(run.path)!r})).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(UserError, match="another nas process"), run.locked():
        pass
    other.kill()
    other.wait()
    with run.locked():
        pass


def test_foreign_directories_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such run directory"):
        RunDirectory.open(tmp_path / "none")
    with pytest.raises(UserError, match="not a run directory"):
        RunDirectory.open(tmp_path)


def test_a_search_that_has_not_ended_has_no_report(run: RunDirectory) -> None:
    with pytest.raises(UserError, match="nas resume"):
        run.read_report()


def test_optuna_alone_opens_a_run(tried: Path) -> None:
    """As optuna-dashboard does; nothing of ours is asked."""
    script = """
import sys
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.load_study(study_name="search", storage=storage)
best = study.best_trial
assert len(study.trials) == 12 and best.value == max(trial.value for trial in study.trials)
assert best.user_attrs["ram"] <= 3072 and all(value <= 0 for value in best.constraints.values())
assert optuna.get_all_study_names(storage) == ["search", "random"]
assert not any(name.split(".")[0] in ("nas", "search_spaces", "cost_models", "codegen") for name in sys.modules)
"""
    before = (tried / "study.journal").read_bytes()
    done = subprocess.run([sys.executable, "-c", script, str(tried / "study.journal")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tried / "study.journal").read_bytes() == before
