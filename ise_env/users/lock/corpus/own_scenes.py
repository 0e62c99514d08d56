"""Scenes that a collection brings itself, in `scenes_<collection>.toml`.

A scene of `scenes.toml` has one agent for everybody's lines; here every situation has a step, an
agent's message and sights of its own, and a line may override them (`heard`, `claims`, `heads`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.agent_move import classify
from ise_env.users.lock.scene import Register, Scene
from ise_env.users.protocol import Act, Digest
from ise_env.workspaces.protocol import FileChange

_ASKS = ("open", "next", "waived")
"""Situations in which a step is asked for; named like the step."""
_OVER = ("verify", "close")
"""Situations in which nothing is left to be asked for."""
_HEARD = {"open": "", "next": "That is done.", "waived": "I could not do that, unfortunately."}
_ENDS = ("close", "leave", "foreign")


def own_scene(
    person: Mapping[str, Any], situation: str, line: Mapping[str, Any], planned: Act
) -> Scene:
    """What is so when a line is said.

    Args:
        person: A table of `scenes_<collection>.toml`.
        situation: A table of `patterns.toml`.
        line: The line itself, for what it overrides and for the act that its writer planned.
        planned: The act of the situation, for a line that ends a dialogue too early.
    """
    moment = {**person.get(situation, {}), **line}
    if "heard" in line and "answer" not in line:
        moment.pop("answer", None)  # what they know was asked for by another question
    steps = {name: _step(name, person[name]) for name in _ASKS if name in person}
    asking = situation in _ASKS
    name = situation if asking else moment.get("step", "open")
    heard = _HEARD[situation] if asking else moment["heard"]
    before = [step for step in _ASKS[: _ASKS.index(name)] if step in steps]
    said = before if asking or not heard else [*before, name]
    wanted = [steps[step] for step in ("open", "next") if step in steps]
    ahead = name == "open" and situation not in _OVER
    early = line["act"] in ("close", "give_up") and situation not in _ENDS
    language = person.get("language", "en")
    return Scene(
        utterance=" ".join(f"Please {step.request}." for step in wanted),
        digest=_digest(moment, heard, steps),
        move=classify(heard) if heard else None,
        act=planned if early else line["act"],
        goal=steps[name],
        others=wanted[1:] if ahead else (),
        asked=[steps[step] for step in before],
        earlier=[f"Please {steps[step].request}." for step in said] if language == "en" else (),
        seen=(*moment.get("there", ()), *moment.get("heads", ())),
        persona=person["persona"],
        register=Register(
            person.get("voice", ""), language, emoji=person.get("voice") in ("casual", "warm")
        ),
        answer=moment.get("answer", ""),
        content=situation in ("next", "close"),
    )


def _step(name: str, table: Mapping[str, Any]) -> SubGoal:
    facts = tuple(Fact(f"{name}.f{i}", value) for i, value in enumerate(table["facts"]))
    return SubGoal(f"x.{name}", table["request"], table["label"], facts, (table["artifact"],))


def _digest(moment: Mapping[str, Any], heard: str, steps: Mapping[str, SubGoal]) -> Digest:
    heads = tuple(moment.get("heads", {}).items())
    results = {path for step in steps.values() for path in step.artifacts}
    changes = tuple(
        FileChange(path, "modified", "file", len(head), None)
        for path, head in heads
        if path in results
    )
    return Digest(
        heard,
        changes,
        heads=heads,
        claims=tuple(moment.get("claims", ())),
        tool_calls=2 if changes or moment.get("claims") else 1 if heard == _HEARD["next"] else 0,
    )
