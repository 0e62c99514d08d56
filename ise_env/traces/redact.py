"""Secrets of the host never enter a trajectory.

What is looked for: the values of this process's own secret-looking environment variables,
the path of this user's home, and the well-known shapes of keys and tokens. A replacement holds
no quote, backslash or newline, so that text which is itself JSON stays JSON.

What the intent itself contains is left alone: a task may be about a key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ise_env.traces.record import Trajectory

_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|_PAT$", re.IGNORECASE)
_SHORTEST_SECRET = 12
"""Characters; a shorter value would hit ordinary text."""


class Shape(NamedTuple):
    """What a kind of secret looks like."""

    pattern: str
    """Without capturing groups."""
    markers: tuple[str, ...]
    """One of these is in every match: looking for them first is fifty times faster."""


_SHAPES: Mapping[str, Shape] = {
    "private key": Shape(
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{40,}?"
        r"-----END (?:[A-Z]+ )*PRIVATE KEY-----",
        ("PRIVATE KEY-----",),
    ),
    "anthropic key": Shape(r"\bsk-ant-[A-Za-z0-9_-]{20,}", ("sk-ant-",)),
    "openai key": Shape(r"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,}", ("sk-",)),
    "github token": Shape(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    ),
    "gitlab token": Shape(r"\bglpat-[A-Za-z0-9_-]{20,}", ("glpat-",)),
    "hugging face token": Shape(r"\bhf_[A-Za-z0-9]{30,}", ("hf_",)),
    "aws key": Shape(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", ("AKIA", "ASIA")),
    "google key": Shape(r"\bAIza[A-Za-z0-9_-]{35}", ("AIza",)),
    "slack token": Shape(r"\bxox[abprs]-[A-Za-z0-9-]{10,}", ("xox",)),
    "web token": Shape(
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", ("eyJ",)
    ),
}

_SHARED_HOMES = frozenset({"/", "/root", "/home/agent"})
"""Homes whose path is ordinary text inside a workspace too."""


class Redactor:
    """Replaces secrets in a record and counts what it did.

    Args:
        literals: Exact strings to replace, with what they are.
        shapes: What else to look for, by kind.
    """

    def __init__(
        self, literals: Mapping[str, str] | None = None, shapes: Mapping[str, Shape] = _SHAPES
    ) -> None:
        longest_first = sorted((literals or {}).items(), key=lambda item: -len(item[0]))
        wanted = [(kind, Shape(re.escape(text), (text,))) for text, kind in longest_first]
        wanted += shapes.items()
        self._kinds = [kind for kind, _ in wanted]
        self._markers = [marker for _, shape in wanted for marker in shape.markers]
        self._pattern = re.compile("|".join(f"({shape.pattern})" for _, shape in wanted))

    @classmethod
    def of_this_host(cls, environment: Mapping[str, str] | None = None) -> Redactor:
        """Look for this process's own secrets, this user's home, and the usual shapes."""
        environment = os.environ if environment is None else environment
        literals = {
            value: "secret of the host"
            for name, value in environment.items()
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET and value[0] != "/"
        }
        home = str(Path(environment.get("HOME", "/")))
        if home not in _SHARED_HOMES:
            literals[home] = "home"
        return cls(literals)

    def redact_text(self, text: str) -> str:
        """Return one text without secrets."""
        return self._pattern.sub(
            lambda match: f"[redacted: {self._kinds[(match.lastindex or 1) - 1]}]", text
        )

    def redact(self, trajectory: Trajectory) -> Trajectory:
        """Return the record without secrets; `redactions` says how many there were."""
        work = _Pass(self._pattern, self._markers, self._kinds, trajectory)
        changed = {
            "messages": work.walk(trajectory.messages),
            "checks": [
                check.model_copy(update={"evidence": work.text(check.evidence)})
                for check in trajectory.checks
            ],
            "error": trajectory.error
            and trajectory.error.model_copy(
                update={"message": work.text(trajectory.error.message)}
            ),
            "ledger": work.walk(trajectory.ledger),
            "subagents": [
                child.model_copy(
                    update={
                        "messages": work.walk(child.messages),
                        "task": work.text(child.task),
                        "result": work.text(child.result),
                    }
                )
                for child in trajectory.subagents
            ],
        }
        if not work.count:
            return trajectory
        changed["redactions"] = trajectory.redactions + work.count
        return trajectory.model_copy(update=changed)


class _Pass:
    """One record's worth of replacing."""

    def __init__(
        self,
        pattern: re.Pattern[str],
        markers: list[str],
        kinds: list[str],
        trajectory: Trajectory,
    ) -> None:
        self._pattern = pattern
        self._markers = markers
        self._kinds = kinds
        self._trajectory = trajectory
        self.count = 0

    @cached_property
    def _allowed_in(self) -> str:
        return self._trajectory.intent.model_dump_json()

    def text(self, text: str) -> str:
        if not any(marker in text for marker in self._markers):
            return text
        return self._pattern.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        if match[0] in self._allowed_in:
            return match[0]
        self.count += 1
        assert match.lastindex is not None
        return f"[redacted: {self._kinds[match.lastindex - 1]}]"

    def walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self.walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.walk(item) for item in value]
        return value
