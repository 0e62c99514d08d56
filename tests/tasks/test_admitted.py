"""Admission of several kits at a time, and the file that it goes on from."""

from __future__ import annotations

from pathlib import Path

import pytest

from ise_env.errors import ConfigError
from ise_env.tasks import admitted
from ise_env.tasks.admission import Row, validate_kits
from ise_env.tasks.admitted import Admitted, Conditions

KITS = ("file-io/sort-archive", "file-io/rename-photos", "file-io/remove-duplicates")
CONDITIONS = Conditions(seeds=(0,), workspace="local", tricks=False)


def row(kit: str, passed: bool = True) -> Row:
    return Row(kit, 0, "simple", "oracle", passed, "" if passed else "why not")


@pytest.mark.usefixtures("local_backend")
def test_each_kit_comes_once_and_whole_however_many_run_at_a_time() -> None:
    alone = dict(validate_kits(KITS, [0], with_tricks=False))
    together = dict(validate_kits(KITS, [0], with_tricks=False, jobs=3))
    assert alone.keys() == together.keys() == set(KITS)
    for kit in KITS:
        assert [(r.case, r.passed) for r in alone[kit]] == [
            (r.case, r.passed) for r in together[kit]
        ]


def test_an_unknown_kit_is_refused_before_anything_begins() -> None:
    with pytest.raises(ConfigError, match="unknown kit 'no/such'"):
        next(validate_kits([KITS[0], "no/such"], [0]))


def test_only_what_was_admitted_is_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    first = Admitted(file, CONDITIONS)
    first.add(KITS[0], [row(KITS[0])])
    first.add(KITS[1], [row(KITS[1]), row(KITS[1], passed=False)])
    again = Admitted(file, CONDITIONS)
    assert again.rows(KITS[0]) == (row(KITS[0]),)
    assert again.rows(KITS[1]) is None
    assert again.rows(KITS[2]) is None
    again.add(KITS[1], [row(KITS[1])])
    assert Admitted(file, CONDITIONS).rows(KITS[1]) == (row(KITS[1]),)


def test_other_conditions_or_another_source_mean_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state.jsonl"
    Admitted(file, CONDITIONS).add(KITS[0], [row(KITS[0])])
    more = CONDITIONS.model_copy(update={"seeds": (0, 1)})
    assert Admitted(file, more).rows(KITS[0]) is None
    monkeypatch.setattr(admitted, "source_hash", lambda kit: "edited")
    assert Admitted(file, CONDITIONS).rows(KITS[0]) is None


def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    file = tmp_path / "state.jsonl"
    Admitted(file, CONDITIONS).add(KITS[0], [row(KITS[0])])
    whole = file.read_text()
    file.write_text(whole + whole[: len(whole) // 2])
    state = Admitted(file, CONDITIONS)
    assert state.rows(KITS[0]) == (row(KITS[0]),)
    state.add(KITS[1], [row(KITS[1])])
    assert Admitted(file, CONDITIONS).rows(KITS[1]) == (row(KITS[1]),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "line 1: not an admission"),
        ('{"kit": 3}\n', "line 1.*kit"),
        ("hi", "not a file"),
    ],
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "notes.txt"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Admitted(file, CONDITIONS)
    assert file.read_text() == text
