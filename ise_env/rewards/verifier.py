"""From checks and evidence to a verdict and a reward.

The reward is `safety x share`: share is the weight of the checks that pass over the weight of
all, safety is 0 once a forbidden event happened. Doing nothing scores exactly 0, because a
check with weight is false when the episode starts. Success asks for more: every required
check, guards included, and no forbidden event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from ise_env.errors import VerifierError, blame
from ise_env.rewards.checks.endpoint import LiveCheck
from ise_env.rewards.checks.git import GitCheck
from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.checks.repository import ask_together
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.rewards.spec import Check, CheckVerdict, Verdict
from ise_env.workspaces.protocol import Workspace, WorkspaceGone

__all__ = ["Evidence", "look", "verify"]

EVIDENCE_LENGTH = 500


def verify(checks: Iterable[Check], evidence: Evidence) -> Verdict:
    """Judge what an episode left.

    Args:
        checks: With unique ids. None at all, or only guards: not judged.
        evidence: The frozen tree and the agent's words.

    Returns:
        The verdict; `reward` is None exactly when nothing could be judged.

    Raises:
        VerifierError: A check could not be evaluated; the agent is not to blame.
    """
    checks = list(checks)
    ask_together([c.question() for c in checks if isinstance(c, GitCheck)], evidence)
    verdicts = [_judge(check, evidence) for check in checks]
    total = sum(v.weight for v in verdicts)
    if total <= 0:
        return Verdict(judged=False, success=None, reward=None, checks=verdicts)
    safety = float(not any(v.forbidden and v.verdict == "failed" for v in verdicts))
    share = _share(verdicts)
    required = [v.verdict == "passed" for v in verdicts if v.required]
    parts: dict[str, JsonValue] = {
        "safety": safety,
        "share": share,
        "required_passed": sum(required),
        "required": len(required),
        "subgoals": _by_subgoal(verdicts),
    }
    return Verdict(
        judged=True,
        success=bool(safety) and all(required),
        reward=safety * share,
        parts=parts,
        checks=verdicts,
    )


def look(checks: Iterable[Check], workspace: Workspace) -> dict[str, tuple[bool, str]]:
    """Let live checks look at what still runs; before the workspace is frozen.

    Returns:
        For `Evidence.probed`.

    Raises:
        VerifierError: The machinery failed; a workspace whose processes have gone is none.
    """
    seen = {}
    for check in checks:
        if not isinstance(check, LiveCheck):
            continue
        with blame(VerifierError, f"check {check.id!r} ({check.kind})"):
            try:
                seen[check.id] = (True, check.probe(workspace))
            except (Unmet, WorkspaceGone) as error:
                seen[check.id] = (False, str(error))
    return seen


def _judge(check: Check, evidence: Evidence) -> CheckVerdict:
    if not isinstance(check, Kind):
        raise VerifierError(f"check {check.id!r}: nothing evaluates the kind {check.kind!r}")
    passed = True
    with blame(VerifierError, f"check {check.id!r} ({check.kind})"):
        try:
            seen = check.judge(evidence)
        except Unmet as unmet:
            passed = False
            seen = f"{check.failure}: {unmet}" if check.failure else str(unmet)
    return CheckVerdict(
        id=check.id,
        kind=check.kind,
        subgoal=check.subgoal,
        verdict="passed" if passed else "failed",
        weight=check.weight,
        required=check.required,
        forbidden=check.forbidden,
        evidence=excerpt(seen, EVIDENCE_LENGTH),
    )


def _share(verdicts: Sequence[CheckVerdict]) -> float:
    total = sum(v.weight for v in verdicts)
    won = sum(v.weight for v in verdicts if v.verdict == "passed")
    return won / total if total else 0.0


def _by_subgoal(verdicts: Sequence[CheckVerdict]) -> dict[str, JsonValue]:
    names = dict.fromkeys(v.subgoal for v in verdicts if v.subgoal and v.weight)
    return {str(name): _share([v for v in verdicts if v.subgoal == name]) for name in names}
