"""From the name of an agent, as written on a command line, to the agent.

=============================  ===========================================================
name                           agent
=============================  ===========================================================
`oracle`, `faulty`             the kits' own solutions, without and with slips (privileged)
`nop`, `random`                a floor, and noise
`replay:<run or file>`         stored assistant messages again
`human`                        a person at the terminal
`openai:<model>[@<url>]`       any OpenAI-compatible endpoint
`<module>:<attribute>`         a class or function that gives an `Agent`
`<name>`                       an entry point of the group `ise_env.agents`
=============================  ===========================================================

Scripted agents take numbers after a colon (`faulty:rate=0.3,unnoticed=1`), endpoints after `#`
(see `ise_env.llm.Endpoint.parse`).
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any

from ise_env.agents.protocol import Agent
from ise_env.errors import ConfigError

GROUP = "ise_env.agents"

AgentFactory = Callable[[], Agent]
"""Gives a fresh agent at each call; one agent plays one episode at a time."""

_SCRIPTED = {
    "oracle": "ise_env.agents.oracle:Oracle",
    "faulty": "ise_env.agents.faulty:Faulty",
    "nop": "ise_env.agents.passive:Nop",
    "random": "ise_env.agents.passive:Random",
}
SCRIPTED = tuple(_SCRIPTED)
"""Names of the policies that need no model and no person."""


def make_agent(spec: str) -> AgentFactory:
    """Find an agent by its name.

    Raises:
        ConfigError: There is none of that name, it cannot be imported, or its options are
            wrong; one line that says which.

    Example:
        >>> make_agent("nop")().provenance.scripted
        True
    """
    name, _, rest = spec.partition(":")
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name in _SCRIPTED:
        return _scripted(name, rest)
    if name == "replay":
        return _replay(rest)
    if name == "openai":
        return _openai(rest)
    if name == "human":
        return _human()
    if name in points:
        return _called(spec, _load(spec, points[name].value))
    if rest:
        # Like other tools that take module:attribute: what lies in the current folder counts.
        if "" not in sys.path and os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        return _called(spec, _load(spec, spec))
    known = (*SCRIPTED, "replay:", "openai:", "human", *points)
    near = get_close_matches(spec, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}, module:attribute"
    raise ConfigError(f"unknown agent {spec!r}: {hint}")


def _scripted(name: str, text: str) -> AgentFactory:
    kind = _load(name, _SCRIPTED[name])
    allowed = [
        key
        for key, parameter in inspect.signature(kind).parameters.items()
        if key not in ("name", "options")
    ]
    options: dict[str, float] = {}
    for item in filter(None, text.split(",")):
        key, _, value = item.partition("=")
        if key not in allowed:
            can = f"takes {', '.join(allowed)}" if allowed else "takes no options"
            raise ConfigError(f"agent {name}:{text}: {name} {can}, not {key!r}")
        try:
            options[key] = float(value)
        except ValueError:
            raise ConfigError(f"agent {name}:{text}: {key} is no number: {value!r}") from None
        if not 0 <= options[key] <= 1:
            raise ConfigError(f"agent {name}:{text}: {key} is a share, from 0 to 1")
    return lambda: kind(name, **options, options=options)


def _replay(path: str) -> AgentFactory:
    if not path:
        raise ConfigError("agent replay: name a run or a file, replay:RUN")
    from ise_env.agents.replay import Replay

    Replay(path)  # a path that cannot be read is found out now, not in the first episode
    return lambda: Replay(path)


def _openai(text: str) -> AgentFactory:
    if not text:
        raise ConfigError("agent openai: expected openai:<model>@<base_url>")
    from ise_env.agents.endpoint import EndpointAgent
    from ise_env.llm import Endpoint

    endpoint = Endpoint.parse(text)
    endpoint.key()
    return lambda: EndpointAgent(endpoint)


def _human() -> AgentFactory:
    from ise_env.agents.human import Human

    return Human


def _load(spec: str, target: str) -> Any:
    module, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f"agent {spec!r}: no module named {error.name!r}") from error
    except Exception as error:
        raise ConfigError(
            f"agent {spec!r}: importing {module} failed: {type(error).__name__}: {error}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"agent {spec!r}: {module} has no attribute {attribute!r}")
        found = getattr(found, part)
    return found


def _called(spec: str, found: Any) -> AgentFactory:
    if not callable(found):
        raise ConfigError(f"agent {spec!r}: neither a class nor a function")

    def make() -> Agent:
        try:
            agent = found()
        except TypeError as error:
            raise ConfigError(
                f"agent {spec!r}: cannot be made without arguments: {error}"
            ) from error
        missing = [
            name for name in ("act", "reset", "close", "provenance") if not hasattr(agent, name)
        ]
        if missing:
            raise ConfigError(f"agent {spec!r}: gives no Agent, it lacks {', '.join(missing)}")
        return agent  # type: ignore[no-any-return]

    make()
    return make
