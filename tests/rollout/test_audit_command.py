"""`ise audit` over collected episodes, and `ise image` where it cannot work."""

import json

import pytest


@pytest.fixture
def run_with_users(rollout, tmp_path):
    rollout(config={"agent": "nop", "user": "rule"})
    return tmp_path / "run"


def test_an_audit_counts_the_users_turns(ise, run_with_users):
    status, out, _ = ise("audit", run_with_users, "--json")
    report = json.loads(out)
    assert status == 0
    assert report["episodes"] == 4
    assert report["users"] == {"rule": 4}
    drift = report["rates"]["drift_after_lock"]
    assert drift["n"] >= 8
    assert 0 <= drift["low"] <= drift["rate"] <= drift["high"] <= 1


def test_the_table_says_the_same(ise, run_with_users):
    status, out, _ = ise("audit", run_with_users)
    assert status == 0
    assert "4 episodes" in out
    assert "drift after lock" in out


def test_a_run_without_users_cannot_be_audited(ise, rollout, tmp_path):
    rollout(config={"agent": "nop"})
    status, _, err = ise("audit", tmp_path / "run")
    assert status == 2
    assert "no valid episode with a user" in err


def test_an_image_s_name_is_checked_before_anything_is_done(ise):
    status, _, err = ise("image", "build", "../outside")
    assert status == 2
    assert "cannot be called '../outside'" in err
