"""Stored episodes, judged anew by the checks that are installed now."""

from __future__ import annotations

import json

import pytest

from ise_env.intents.sampler import sample
from ise_env.rollout.collector import Pace
from ise_env.rollout.progress import NoDisplay
from ise_env.rollout.regrade import regrade_run
from ise_env.rollout.session import Request, collect
from ise_env.traces.reader import read_run


@pytest.fixture(scope="module")
def run(tmp_path_factory, local_backend):
    """Two episodes whose checks ask mail, chat and git servers."""
    folder = tmp_path_factory.mktemp("regrade")
    intents = folder / "intents.jsonl"
    kits = ["comms-social/invite-team", "comms-social/pick-date", "source-chain/push-after-others"]
    drawn = sample(2, 3, kits=kits)
    intents.write_text("".join(intent.model_dump_json() + "\n" for intent in drawn))
    request = Request(
        out=folder / "run",
        intents=intents,
        config={"agent": "oracle"},
        pace=Pace(concurrency=2),
        seal=False,
    )
    collect(request, NoDisplay())
    return folder / "run"


@pytest.fixture
def stored(run, tmp_path):
    """A file with the first record, changed as a test likes."""

    def write(change):
        record = json.loads(next(iter(read_run(run))).model_dump_json())
        change(record)
        file = tmp_path / "changed.jsonl"
        file.write_text(json.dumps(record) + "\n")
        return file

    return write


def test_service_checks_are_judged_anew(run):
    grades = list(regrade_run(run))
    assert [(g.judged, g.success, g.reward, g.changed) for g in grades] == [
        (True, True, 1.0, False)
    ] * 2
    kinds = {check.kind for grade in grades for check in grade.checks}
    assert kinds & {"mail_sent", "chat_posted", "git_pushed"}


def test_a_verdict_that_was_wrong_is_put_right(stored):
    def deny(record):
        record["reward"], record["success"] = 0.0, False
        record["checks"][0]["verdict"] = "failed"

    (grade,) = regrade_run(stored(deny))
    assert (grade.changed, grade.success, grade.stored_success) == (True, True, False)


def test_checks_of_another_version_of_a_kit_may_judge(stored):
    def age(record):
        record["intent"]["tasks"][0]["version"] += 1

    (grade,) = regrade_run(stored(age))
    assert grade.judged and grade.success


def test_an_episode_that_does_not_come_out_as_stored_is_not_judged(stored):
    def tamper(record):
        next(m for m in record["messages"] if m["role"] == "tool")["content"] += "\nall good"

    (grade,) = regrade_run(stored(tamper))
    assert (grade.judged, grade.success, grade.changed) == (False, None, False)
    assert grade.why.startswith("1 things came out otherwise, first: message")


def test_the_command_keeps_verdicts_and_overwrites_nothing(ise, run, tmp_path):
    out = tmp_path / "grades.jsonl"
    status, text, _ = ise("regrade", run, "-n", 1, "--out", out)
    assert (status, "1 of 1 episodes judged anew: 1 succeed" in text) == (0, True)
    assert json.loads(out.read_text())["checks"]
    status, _, err = ise("regrade", run, "--out", out)
    assert (status, "File exists; name a new file" in err) == (2, True)
