"""Gymnasium environments for OS agents: live workspaces, simulated users, checked success.

`import ise_env` registers `ISE/Intent-v0`; names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ise_env.registration import register, register_intents

if TYPE_CHECKING:
    from ise_env.agents import make_agent as make_agent
    from ise_env.agents.protocol import AgentContext as AgentContext
    from ise_env.env import IntentEnv as IntentEnv
    from ise_env.errors import IseError as IseError
    from ise_env.intents.load import as_intent as as_intent
    from ise_env.intents.load import load_intents as load_intents
    from ise_env.intents.model import Intent as Intent
    from ise_env.intents.model import Persona as Persona
    from ise_env.intents.sampler import sample as sample
    from ise_env.traces.reader import read_run as read_run
    from ise_env.traces.record import Trajectory as Trajectory
    from ise_env.vector import ThreadVectorEnv as ThreadVectorEnv
    from ise_env.wrappers import DeltaObservation as DeltaObservation
    from ise_env.wrappers import JudgedTimeLimit as JudgedTimeLimit

__version__ = "0.1.0"

_HOME_OF = {
    "AgentContext": "ise_env.agents.protocol",
    "DeltaObservation": "ise_env.wrappers",
    "Intent": "ise_env.intents.model",
    "IntentEnv": "ise_env.env",
    "IseError": "ise_env.errors",
    "JudgedTimeLimit": "ise_env.wrappers",
    "Persona": "ise_env.intents.model",
    "ThreadVectorEnv": "ise_env.vector",
    "Trajectory": "ise_env.traces.record",
    "as_intent": "ise_env.intents.load",
    "load_intents": "ise_env.intents.load",
    "make_agent": "ise_env.agents",
    "read_run": "ise_env.traces.reader",
    "sample": "ise_env.intents.sampler",
}

__all__ = [*sorted(_HOME_OF), "register", "register_intents"]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'ise_env' has no attribute {name!r}")


register()
