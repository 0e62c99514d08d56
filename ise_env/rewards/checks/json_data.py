"""JSON files and JSON lines."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

from pydantic import Field, JsonValue

from ise_env.rewards.checks.kind import Kind
from ise_env.rewards.evidence import Evidence, Unmet, excerpt


class JsonEquals(Kind):
    """The value at a path in a JSON file."""

    kind: Literal["json_equals"] = "json_equals"
    path: str
    at: tuple[str | int, ...] = Field(default=(), description="Keys and indexes; none: the root.")
    equals: JsonValue
    tolerance: float = 0.005

    def judge(self, evidence: Evidence) -> str:
        """Walk to the value and compare."""
        value = parse_json(evidence.text(self.path), self.path)
        where = self.path + "".join(
            f"[{step}]" if isinstance(step, int) else f" › {step}" for step in self.at
        )
        for step in self.at:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                raise Unmet(f"{where}: not there: {_shown(value)}") from None
        if not same_json(value, self.equals, self.tolerance):
            raise Unmet(f"{where}: is {_shown(value)}, not {_shown(self.equals)}")
        return f"{where}: {_shown(value)}"


class JsonLines(Kind):
    """A file of one JSON value a line holds exactly these values."""

    kind: Literal["json_lines"] = "json_lines"
    path: str
    values: tuple[JsonValue, ...]
    ordered: bool = True
    tolerance: float = 1e-9

    def judge(self, evidence: Evidence) -> str:
        """Compare line by line, or in the order of the canonical text."""
        lines = [line for line in evidence.text(self.path).split("\n") if line.strip()]
        if len(lines) != len(self.values):
            raise Unmet(f"{self.path}: {len(lines)} lines, not {len(self.values)}")
        found = [parse_json(line, f"{self.path}:{n}") for n, line in enumerate(lines, 1)]
        wanted: list[Any] = list(self.values)
        if not self.ordered:
            found, wanted = sorted(found, key=_canonical), sorted(wanted, key=_canonical)
        for number, (left, right) in enumerate(zip(found, wanted, strict=True), 1):
            if not same_json(left, right, self.tolerance):
                raise Unmet(f"{self.path}: value {number} is {_shown(left)}, not {_shown(right)}")
        return f"{self.path}: the {len(found)} expected values"


def parse_json(text: str, where: str) -> Any:
    """Parse, or `Unmet`; nesting beyond Python's stack and oversized integers included."""
    try:
        return json.loads(text)
    except RecursionError:
        raise Unmet(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise Unmet(f"{where}: not JSON: {excerpt(str(error))}") from error


def same_json(found: Any, wanted: Any, tolerance: float) -> bool:
    """Equality with a tolerance for numbers; true and 1 differ. Recurses into `wanted` only."""
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return type(found) is type(wanted) and found == wanted
    if isinstance(wanted, int | float):
        if isinstance(found, bool) or not isinstance(found, int | float):
            return False
        return found == wanted or math.isclose(float(found), wanted, rel_tol=0, abs_tol=tolerance)
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(same_json(a, b, tolerance) for a, b in zip(found, wanted, strict=True))
        )
    return (
        isinstance(found, dict)
        and found.keys() == wanted.keys()
        and all(same_json(found[key], wanted[key], tolerance) for key in wanted)
    )


def _canonical(value: Any) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except RecursionError:
        raise Unmet("nested too deeply") from None


def _shown(value: Any) -> str:
    try:
        return excerpt(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        return "something nested too deeply"
