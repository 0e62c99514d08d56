"""`ise play`: what is typed is an episode like any other."""

from __future__ import annotations

import io
import sys

from ise_env.traces.reader import read_run


def test_a_person_plays_and_the_episode_is_recorded(
    ise, intents, tmp_path, monkeypatch, local_backend
):
    typed = "!echo hello > a.txt\n/read path=a.txt\nThere is one file.\n/quit\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    status, out, _ = ise("play", "--intents", intents, "--number", 1, "--out", tmp_path / "run")
    assert status == 0
    assert "not judged, agent_ended; look at it: ise show" in out
    (record,) = read_run(tmp_path / "run")
    assert record.intent.utterance == "Say what time it is."
    assert [m["content"] for m in record.messages if m["role"] == "tool"] == [
        "(no output)",
        "hello\n",
    ]
    assert (record.provenance.agent.name, record.provenance.agent.scripted) == ("human", False)


def test_what_cannot_be_played_is_said(ise, intents, tmp_path):
    status, _, err = ise("play", "--intents", intents, "--number", 9, "--out", tmp_path / "run")
    assert (status, "holds no intent number 9; the first is 0" in err) == (2, True)
    status, _, err = ise("play", "--tier", "hard", "--out", tmp_path / "run")
    assert (status, "--tier hard: expected simple" in err) == (2, True)
    assert not (tmp_path / "run").exists()
