from __future__ import annotations

import io

import pytest
from rich.console import Console

from ise_env.rollout.progress import LineDisplay, LiveDisplay, Snapshot, clock, display_for


def snapshot(**changes):
    return Snapshot(
        **{
            "planned": 100,
            "finished": 40,
            "succeeded": 30,
            "judged": 40,
            "invalid": 0,
            "in_flight": 4,
            "waiting_for_retry": 0,
            "session_done": 20,
            "elapsed_s": 10.0,
            "cost_usd": None,
            "stopping": False,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "40/100 episodes, 75 % success, 0 invalid, 2.00/s, 0:30 left"),
        ({"session_done": 0, "judged": 0}, "40/100 episodes, 0 invalid, 0.00/s"),
        ({"cost_usd": 1.239}, "40/100 episodes, 75 % success, 0 invalid, 2.00/s, $1.24, 0:30 left"),
        ({"finished": 98, "invalid": 2}, "100/100 episodes, 75 % success, 2 invalid, 2.00/s"),
        (
            {"stopping": True},
            "40/100 episodes, 75 % success, 0 invalid, 2.00/s, stopping, 4 still playing",
        ),
    ],
)
def test_one_line_says_it(changes, words):
    assert snapshot(**changes).describe() == words


def test_clock():
    assert [clock(s) for s in (0, 59.7, 61, 3661)] == ["0:00", "1:00", "1:01", "1:01:01"]


def test_a_log_gets_plain_lines(capsys):
    display = display_for(Console(file=io.StringIO()))
    assert isinstance(display, LineDisplay)
    display.start()
    display.message("something happened")
    display.stop(snapshot())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("  ")[2] for line in lines] == [
        "something happened",
        snapshot().describe(),
    ]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_gets_one_line_that_fits(width, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")  # rich ignores the width of a dumb terminal
    file = io.StringIO()
    display = display_for(Console(file=file, force_terminal=True, width=width, color_system=None))
    assert isinstance(display, LiveDisplay)
    display.start()
    display.update(snapshot())
    display.stop(snapshot())
    assert "40/100 episodes" in file.getvalue()
    last = file.getvalue().replace("\x1b[?25h", "").rstrip("\n").split("\n")[-1]
    assert len(last.split("\x1b[2K")[-1]) <= width
