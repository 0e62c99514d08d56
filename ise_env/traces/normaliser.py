"""Which differences are allowed when two executions of the same episode are compared.

The rules are in `normaliser.toml`, written down so that anybody can say whether they are fair.
They are tried only where two texts differ, and which of them were needed is reported.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ise_env.traces.record import Trajectory

VOLATILE_PATHS = re.compile(
    r"(?:^|/)(?:__pycache__|\.git|\.pytest_cache|\.cache)(?:/|$)"
    r"|\.(?:zip|tar|tgz|gz|bz2|xz|zst|7z|jar|whl|sqlite|db|pid|port)$"
)
"""Files whose content covers clocks, ports or process ids (byte code, commits, archives): only
that they are there counts; what is in them is for the checks."""


@dataclass(frozen=True)
class Rule:
    """One kind of allowed difference."""

    name: str
    why: str
    pattern: re.Pattern[str]
    replacement: str
    identifier: bool
    """Whether later actions may name what it matches."""


@functools.cache
def rules() -> tuple[Rule, ...]:
    """The written rules."""
    text = resources.files("ise_env.traces").joinpath("normaliser.toml").read_text("utf-8")
    return tuple(
        Rule(
            name=r["name"],
            why=r["why"],
            pattern=re.compile(r["pattern"], re.MULTILINE),
            replacement=r["with"],
            identifier=r.get("identifier", False),
        )
        for r in tomllib.loads(text)["rule"]
    )


def normalise(text: str) -> str:
    """Apply every rule."""
    for rule in rules():
        text = rule.pattern.sub(rule.replacement, text)
    return text


def same(a: str, b: str) -> bool:
    """Whether two texts are equal but for allowed differences."""
    return a == b or normalise(a) == normalise(b)


def rules_needed(a: str, b: str) -> list[str]:
    """Names of the rules without which two texts that are `same` would differ."""
    needed = []
    for left_out in rules():
        kept = [rule for rule in rules() if rule is not left_out]
        x, y = a, b
        for rule in kept:
            x, y = rule.pattern.sub(rule.replacement, x), rule.pattern.sub(rule.replacement, y)
        if x != y:
            needed.append(left_out.name)
    return needed


_TOKEN = re.compile(r"/tmp/[\w./-]+|\b[0-9a-f]{7,40}\b|\b[3-6]\d{4}\b")


def identifiers(text: str) -> list[str]:
    """What the identifier rules find in a text, in order."""
    return [
        token
        for rule in rules()
        if rule.identifier
        for match in rule.pattern.finditer(text)
        for token in _TOKEN.findall(match[0])
    ]


class Translation:
    """Identifiers, and what stands in their place: in another execution, or in a comparison."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}

    def learn(self, before: str, after: str) -> None:
        """Pair the identifiers of two texts that are the same but for them."""
        if before == after:
            return
        was, now = identifiers(before), identifiers(after)
        if len(was) == len(now):
            self._now.update((a, b) for a, b in zip(was, now, strict=True) if a != b)

    def number(self, text: str) -> None:
        """Give every identifier of a text that is new a number of its own."""
        for token in identifiers(text):
            if self._known(token) is None:
                self._now[token] = f"<identifier {len(self._now) + 1}>"

    def apply(self, text: str) -> str:
        """Replace the identifiers that are known."""
        return _TOKEN.sub(self._replace, text) if self._now else text

    def _replace(self, match: re.Match[str]) -> str:
        return self._known(match[0]) or match[0]

    def _known(self, token: str) -> str | None:
        if token in self._now:
            return self._now[token]
        if not 7 <= len(token) <= 40:
            return None
        # A hash may be written shorter, or longer, than where it was first seen.
        for old, new in self._now.items():
            if old.startswith(token):
                return new if new.startswith("<") else new[: len(token)]
            if token.startswith(old) and new.startswith("<"):
                return new
        return None


def comparable(record: Trajectory) -> dict[str, Any]:
    """The part of a record that must be equal in two executions, normalised.

    Left out: which run it belongs to, how long anything took, versions, the sizes and hashes
    of files whose content covers clocks.
    """
    diff = record.workspace.diff if record.workspace else []
    numbered = Translation()
    for message in record.messages:
        if message["role"] == "tool" and isinstance(message["content"], str):
            numbered.number(message["content"])

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            return normalise(numbered.apply(value))
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return {
        "episode_id": record.episode_id,
        "intent": record.intent_sha256,
        "seed": record.seed,
        "messages": [_comparable_message(message, plain) for message in record.messages],
        "termination": record.termination.model_dump(),
        "valid": record.valid,
        "reward": record.reward,
        "checks": [(c.id, c.verdict) for c in record.checks],
        "recoveries": [r.model_dump() for r in record.recoveries],
        "files": [
            (c.path, c.change, c.kind)
            if VOLATILE_PATHS.search(c.path) or c.kind == "directory"
            else (c.path, c.change, c.kind, c.size)
            for c in diff
        ],
    }


def _comparable_message(message: dict[str, Any], plain: Callable[[Any], Any]) -> dict[str, Any]:
    compared: dict[str, Any] = {k: plain(v) for k, v in message.items() if k != "x"}
    outcome = (message.get("x") or {}).get("outcome")
    if outcome:
        compared["outcome"] = (
            outcome.get("status"),
            outcome.get("exit_code"),
            outcome.get("error"),
        )
    return compared
