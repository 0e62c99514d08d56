"""The learnt second opinion of the role lock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ise_env.users.lock import VOICE, classifier, corpus, judge
from ise_env.users.lock.classifier import learnt
from ise_env.users.lock.features import masked
from ise_env.users.phrasing import voices
from ise_env.users.protocol import UserTurn

SCRIPT = Path(__file__).parents[3] / "scripts" / "train_role_lock.py"


def test_it_knows_the_assistants_part_without_a_rule_that_names_it() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    turn = UserTurn(
        act="status",
        subgoal=scene.goal.id,
        message="Everything is sorted on my side, what else would help?",
    )
    assert VOICE in judge(turn, scene)
    turn = UserTurn(
        act="status",
        subgoal=scene.goal.id,
        message="There is one mismatch in it. Is that really all of them?",
    )
    assert judge(turn, scene) == []


def test_what_is_the_users_by_right_is_not_looked_at() -> None:
    scene = corpus.scene_of("ledger", "open")
    text = masked(f"Could you {scene.goal.request}? Thanks, see /tmp/x.csv", scene)
    assert "reconcile" not in text
    assert ".csv" not in text
    assert "thanks" in text.lower()


def test_what_the_scene_speaks_of_is_no_evidence_and_what_comes_from_elsewhere_is() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    text = masked("Why does the reconciliation mention a benchmark?", scene)
    assert "benchmark" in text
    assert "reconciliation" not in text
    known = replace(scene, context="We run the benchmark on Mondays.")
    assert "benchmark" not in masked("Why does it mention a benchmark?", known)


def test_an_empty_message_has_a_finite_score() -> None:
    scene = corpus.scene_of("ledger", "lookedat")
    assert np.isfinite(list(learnt().scores("", scene).values())).all()


def test_other_languages_are_left_to_the_rules() -> None:
    cases = [c for c in corpus.collection("seventh") if not c.scene.english]
    assert len(cases) >= 100
    assert all(VOICE not in judge(case.turn, case.scene) for case in cases)


@pytest.mark.parametrize("name", [v.name for v in voices().values() if v.language == "en"])
def test_the_rule_user_keeps_to_the_part(name: str) -> None:
    scene = corpus.scene_of("ledger", "close")
    for phrase in voices()[name].wordings["close.done"]:
        turn = UserTurn(act="close", subgoal=scene.goal.id, message=phrase)
        assert VOICE not in judge(turn, scene), phrase


@pytest.mark.full
def test_the_committed_collections_give_the_committed_weights(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="needs the report extra (scikit-learn)")
    made = tmp_path / "made.npz"
    subprocess.run([sys.executable, SCRIPT, "--out", made], check=True, capture_output=True)
    ours = np.load(SCRIPT.parents[1] / "ise_env" / "users" / "lock" / classifier.FILE)
    with np.load(made) as theirs:
        assert set(ours.files) == set(theirs.files)
        for name in classifier.HEADS:  # rounding in another BLAS may turn a step of 127
            assert np.abs(ours[name].astype(int) - theirs[name].astype(int)).max() <= 1
        assert ours["signs"].tolist() == theirs["signs"].tolist()
        assert np.abs(ours["weigh"] - theirs["weigh"]).max() < 0.05
        assert abs(float(ours["threshold"]) - float(theirs["threshold"])) < 0.01
