"""Answers to questions about finished work, on real files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ise_env.agents.answers import Asked, answer, paths_in, whereabouts
from ise_env.tasks.kit import Fact, Solution, SubGoal, ToolCall, ToolReply
from ise_env.tasks.steps import sh

GOAL = SubGoal(
    "clean",
    "clean data/raw.csv into data/out.csv as data/RULES.md says, and nothing else in data",
    "the clean rows",
    (Fact("raw", "data/raw.csv"), Fact("out", "data/out.csv")),
    ("data/out.csv",),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    (data / "raw.csv").write_text("a\nb\nb\n")
    (data / "out.csv").write_text("name\na\nb\n")
    (data / "RULES.md").write_text("# Rules\n\n- Rows that come twice: only the first counts.\n")
    (data / "run.sh").write_text('#!/bin/sh\n# usage: run.sh FOLDER\ncd "$1" || exit 3\nls\n')
    (data / "run.sh").chmod(0o755)
    (data / "fares.py").write_text("def fare(zones):\n    return 210 + 90 * zones\n")
    return tmp_path


def play(solution: Solution, place: Path) -> str:
    """Run a solution's commands in bash, as the tool words what it gives back."""
    try:
        step = next(solution)
        while True:
            assert isinstance(step, ToolCall)
            folder = place / str(step.arguments.get("workdir", "."))
            command = ["bash", "-c", str(step.arguments["command"])]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            text = done.stdout + done.stderr
            if done.returncode:
                text += f"\n\n(Command exited with code {done.returncode})"
            step = solution.send([ToolReply(text or "(no output)")])
    except StopIteration as stop:
        return str(stop.value)


def review() -> Solution:
    (count,) = yield sh("wc -l < data/out.csv")
    return f"The clean file has {count.text.strip()} lines."


def ask(text: str, place: Path, told: tuple[str, ...] = (), goal: SubGoal = GOAL) -> str:
    return play(answer(Asked(text, goal, "data", review, told)), place)


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        (
            "Duplicates in data/out.csv, how handled?",
            ["no line occurs twice", "RULES.md", "line 3"],
        ),
        ("What's not in data/out.csv?", ["nothing else in data", "3 lines"]),
        ("Check the clean rows once more.", ["The clean file has 3 lines."]),
        ("Where does the text in data/out.csv come from?", ["data/raw.csv", "nothing else"]),
        ("Do I need data/out.csv or can it go?", ["part of the result of the clean rows"]),
        ("How do I run data/run.sh?", ["Call it as `data/run.sh`", '`cd "$1" || exit 3`']),
        ("How would data/fares.py be run, exactly?", ["it is a module"]),
        ("What happens with data/run.sh if I feed it rubbish?", ["line 3 of data/run.sh"]),
        ("You mention “3 lines” for the clean rows. How?", ["“3 lines”", "3 lines."]),
    ],
)
def test_the_answer_fits_the_question(question: str, parts: list[str], place: Path) -> None:
    words = ask(question, place)
    assert all(part in words for part in parts), words


def test_no_answer_is_given_twice(place: Path) -> None:
    told: tuple[str, ...] = ()
    for _ in range(6):
        words = ask("Check the clean rows once more.", place, told)
        assert words
        assert words not in told
        told += (words,)


def test_a_failing_review_is_said_to_fail(place: Path) -> None:
    (place / "data" / "out.csv").unlink()
    words = ask("Check the clean rows once more.", place)
    assert "something is not right there" in words
    assert "No such file" in words


def test_a_disputed_count_is_counted_again(place: Path) -> None:
    (place / "data" / "out.csv").write_text("name\n\na\nb\n")
    words = ask("data/out.csv has 3 lines when I count them, not 4. Please look again.", place)
    assert words == "I counted data/out.csv again: 4 lines, 1 of them blank."


def test_paths_are_found_whole() -> None:
    text = "Where is library/effects/fire-blanket.wav, and what is in a/b/c/ or x.txt?"
    assert paths_in(text) == ["library/effects/fire-blanket.wav", "a/b/c", "x.txt"]


def test_a_missed_file_is_looked_for(place: Path) -> None:
    assert play(whereabouts("out.csv", GOAL), place) == "out.csv is here: `data/out.csv`."
    assert "you did not ask for one" in play(whereabouts("data/run.log", GOAL), place)
