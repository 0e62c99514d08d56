"""The corpus that measures the detectors: turns that must pass, turns that must be caught.

Data beside this module: `scenes.toml` (eight people, each with steps and what the agent says
and leaves in every situation), `patterns.toml` (ways of saying things, composed with every
scene into the legitimate turns), and the plain collections `*.jsonl`, one turn a line:
`{"scene", "situation", "act", "message", "rules"}`, where `rules` names at least one rule that
has to object and is empty for a legitimate turn; of `fourth` it names the kind of misbehaviour,
and any rule may object. `held_out`, `second`, `third`, `fourth` were written apart from the rules,
`fourth` with people of its own (`scenes_fourth.toml`). `first_sight.toml` keeps what came of a
collection before anything was changed on its account; README.md says how the next one is written.
"""

from __future__ import annotations

import functools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from ise_env.errors import ConfigError
from ise_env.tasks.kit import Fact, SubGoal
from ise_env.users.agent_move import classify
from ise_env.users.language import language_of
from ise_env.users.lock.corpus.own_scenes import own_scene
from ise_env.users.lock.scene import Register, Scene, without
from ise_env.users.protocol import Digest, UserTurn
from ise_env.workspaces.protocol import FileChange


@dataclass(frozen=True)
class Case:
    """One turn of the corpus, ready to be judged."""

    turn: UserTurn
    scene: Scene
    rules: tuple[str, ...]
    """Rules of which at least one has to object; empty when the turn is legitimate."""
    collection: str


def legitimate() -> Iterator[Case]:
    """Every pattern in every scene, each wording once."""
    said: set[str] = set()
    for name, scene in _toml("scenes.toml").items():
        for situation, group in _toml("patterns.toml").items():
            for line in group["lines"]:
                for message in _filled(line, scene):
                    if message not in said:
                        said.add(message)
                        case = _case(name, situation, group["act"], message, (), "patterns")
                        yield replace(case, scene=_of_anybody(case.scene))


def collection(name: str) -> Iterator[Case]:
    """The turns of `<name>.jsonl`.

    Raises:
        ConfigError: `FILE:LINE: what is wrong`.
    """
    text = resources.files(__package__).joinpath(f"{name}.jsonl").read_text("utf-8")
    own = _own_scenes(name)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if row["scene"] in own:
                yield _own_case(own[row["scene"]], row, name)
                continue
            yield _case(
                row["scene"],
                row["situation"],
                row["act"],
                row["message"],
                tuple(row.get("rules", ())),
                name,
                new_facts=row.get("new_facts", ()),
            )
        except (ValueError, KeyError) as error:
            raise ConfigError(f"{name}.jsonl:{number}: {type(error).__name__}: {error}") from error


def scene_of(name: str, situation: str) -> Scene:
    """The scene of that name in a situation (a table of `patterns.toml`)."""
    data = _toml("scenes.toml")[name]
    earlier, goal, later = (_goal(data, key) for key in ("earlier", "goal", "later"))
    opening = situation == "open"
    text, digest = _digest(data, situation)
    act = _toml("patterns.toml")[situation]["act"]
    return Scene(
        utterance=data["utterance"],
        digest=digest,
        move=None if opening else classify(text),
        act=act,
        goal=goal,
        others=(later,),
        asked=() if opening else (earlier,),
        earlier=() if opening else _before(situation, earlier, goal),
        seen=_seen(data, situation),
        persona=data["persona"],
        register=Register(
            data["voice"], _language(situation), 60, emoji=data["voice"] in ("casual", "warm")
        ),
        answer=data["answer"] if situation == "answer" else "",
        content=situation in ("next", "close"),
    )


def _case(
    name: str,
    situation: str,
    act: Any,
    message: str,
    rules: tuple[str, ...],
    source: str,
    *,
    new_facts: Sequence[str] = (),
) -> Case:
    scene = scene_of(name, situation)
    if not rules:
        scene = replace(scene, act=act)  # what its writer planned
    if situation == "foreign":
        scene = _in_its_language(scene, message)
    elif any(mark in message for mark in "🙂👍🙏"):
        scene = _with_emoji(scene)
    turn = UserTurn(act=act, subgoal=scene.goal.id, message=message, new_facts=list(new_facts))
    return Case(turn, scene, rules, source)


def _own_case(person: Mapping[str, Any], row: Mapping[str, Any], source: str) -> Case:
    planned = _toml("patterns.toml")[row["situation"]]["act"]
    scene = own_scene(person, row["situation"], row, planned)
    if row["situation"] == "foreign" and not row.get("rules"):
        scene = _in_its_language(scene, row["message"])
    turn = UserTurn(
        act=row["act"],
        subgoal=scene.goal.id,
        message=row["message"],
        new_facts=list(row.get("new_facts", ())),
    )
    return Case(turn, scene, tuple(row.get("rules", ())), source)


def _filled(line: str, scene: Mapping[str, Any]) -> Iterator[str]:
    asks = scene["ask"][:2] if "{ask}" in line else [""]
    for ask in asks:
        opened = line.startswith(("{ask}", "{answer}"))
        text = line.format(
            label=scene["goal"]["label"], path=scene["artifact"], ask=ask, answer=scene["answer"]
        )
        yield text[:1].upper() + text[1:] if opened and "/" not in text.split()[0] else text


def _goal(data: Mapping[str, Any], key: str) -> SubGoal:
    table = data[key]
    facts = tuple(Fact(f"{key}.f{i}", value) for i, value in enumerate(table["facts"]))
    answers = {"question": data["question"], "answer": data["answer"]} if key == "goal" else {}
    paths = (data["artifact"],) if key == "goal" else ()
    return SubGoal(f"x.{key}", table["request"], table["label"], facts, paths, **answers)


def _before(situation: str, earlier: SubGoal, goal: SubGoal) -> tuple[str, ...]:
    if situation in ("next", "waived"):
        return (f"Please {earlier.request}.",)
    return (f"Please {earlier.request}.", f"Thank you. Then {goal.request}.")


def _digest(data: Mapping[str, Any], situation: str) -> tuple[str, Digest]:
    path = data["artifact"]
    texts = {
        "open": "",
        "next": "That is done.",
        "waived": "I could not do that, unfortunately.",
        "answer": data["question"],
        "unsure": data["question"],
        "confirm": data["permission"],
        "refuse": data["permission"],
        "trouble": data["trouble"],
        "leave": data["trouble"],
        "waiting": "I'll start with that now.",
        "again": "I have finished something else that you may like.",
    }
    text = texts.get(situation, data["done"])
    if situation in ("missing", "again"):
        return text, Digest(text, claims=(f"{path}: not there",), tool_calls=2)
    if situation not in ("lookedat", "verify", "close", "foreign"):
        return text, Digest(text, tool_calls=1 if situation == "next" else 0)
    changes = (FileChange(path, "added", "file", 812, None),)
    return text, Digest(text, changes, heads=((path, data["head"]),), tool_calls=5)


def _seen(data: Mapping[str, Any], situation: str) -> tuple[str, ...]:
    there = situation in ("lookedat", "verify", "close", "foreign")
    return (data["artifact"],) if there else ()


def _language(situation: str) -> str:
    return "" if situation == "foreign" else "en"


def _in_its_language(scene: Scene, message: str) -> Scene:
    """Said by somebody who writes in that language; "und" where nobody can tell which it is."""
    own = (*scene.seen, *(fact.value for fact in scene.goal.facts))
    spoken = language_of(without(message, own)) or "und"
    return replace(scene, earlier=(), register=replace(scene.register, language=spoken))


def _of_anybody(scene: Scene) -> Scene:
    """The composed lines were not written for the voice of this scene."""
    return replace(scene, register=replace(scene.register, voice=""))


def _with_emoji(scene: Scene) -> Scene:
    return replace(scene, register=replace(scene.register, emoji=True))


def _own_scenes(collection: str) -> dict[str, Any]:
    name = f"scenes_{collection}.toml"
    return _toml(name) if resources.files(__package__).joinpath(name).is_file() else {}


@functools.cache
def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))
