"""Small agents that misbehave in one way each; named `policies:Name` in the tests."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any, ClassVar

from ise_env.agents.protocol import AgentContext, AgentProvenance
from ise_env.errors import BudgetExceeded, ContextOverflow, ModelEndpointError


class Say:
    """Says one thing and is done."""

    text = "Done."

    def __init__(self) -> None:
        self.provenance = AgentProvenance(name=type(self).__name__, scripted=True)
        self.closed = False

    def reset(self, context: AgentContext) -> None:
        self.context = context
        self.acts = 0

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.acts += 1
        return {"role": "assistant", "content": self.text}

    def close(self) -> None:
        self.closed = True

    def call(self, command: str) -> dict[str, Any]:
        function = {"name": "exec", "arguments": f'{{"command": "{command}"}}'}
        call = {"id": f"call_{self.acts}", "type": "function", "function": function}
        return {"role": "assistant", "content": "", "tool_calls": [call]}


class Works(Say):
    """Runs a few commands, then says so."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        said = super().act(observation)
        return self.call("sleep 0.05; date") if self.acts <= 5 else said


class Lingers(Say):
    """Keeps a command running for a long time."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        super().act(observation)
        return self.call("sleep 300")


class Ponders(Say):
    """Waits for a model that does not answer."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        threading.Event().wait(300)
        return super().act(observation)


class Crashes(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        super().act(observation)
        return {}["no such key"]


class NeverBegins(Say):
    """Can be made before the run begins, and never again."""

    def __init__(self) -> None:
        super().__init__()
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("no licence left")


class CannotBeMade(Say):
    def __init__(self) -> None:
        raise RuntimeError("no licence")


class CrashesOnce(Say):
    """Meets a failing endpoint at the first attempt of each intent."""

    attempts: ClassVar[Counter[str]] = Counter()

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.attempts[self.context.intent.id] += 1
        if self.attempts[self.context.intent.id] == 1:
            raise ModelEndpointError("the endpoint answered 503", status=503, retryable=True)
        return super().act(observation)


class NeverAnswers(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        raise ModelEndpointError("the endpoint answered 503", status=503, retryable=True)


class Refused(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        raise ModelEndpointError("401: the key is not accepted", status=401)


class Overflows(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        raise ContextOverflow("too long")


class SpendsAll(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        raise BudgetExceeded("nothing left")


class SpeaksNonsense(Say):
    def act(self, observation: dict[str, Any]) -> Any:
        return 42


class HalfACharacter(Say):
    text = "half \ud83d pair"


class Costs(Say):
    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        usage = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
        return {**super().act(observation), "x": {"usage": usage}}

    def __init__(self) -> None:
        super().__init__()
        self.provenance = AgentProvenance(name="Costs", scripted=False, model="dear-model")


class CostsUnknown(Costs):
    """A live model whose server reports no usage."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        return {**super().act(observation), "x": {}}


class CostsThenFails(Costs):
    """Calls a tool first: what it cost is in the record of the attempt that failed."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        if observation["messages"][-1]["role"] == "tool":
            raise ModelEndpointError("the endpoint answered 503", status=503, retryable=True)
        call = {"name": "exec", "arguments": '{"command": "true"}'}
        asked = [{"id": "c1", "type": "function", "function": call}]
        return {**super().act(observation), "content": "", "tool_calls": asked}


class Crowd(Say):
    """Notes how many agents think at the same time."""

    now: ClassVar[int] = 0
    most: ClassVar[int] = 0
    guard: ClassVar[threading.Lock] = threading.Lock()

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        with self.guard:
            Crowd.now += 1
            Crowd.most = max(Crowd.most, Crowd.now)
        threading.Event().wait(0.02)
        with self.guard:
            Crowd.now -= 1
        return super().act(observation)


class Delegates(Say):
    """Hands its task to another instance of itself, which writes a file."""

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        self.acts += 1
        if self.context.subagent is not None:
            return self.call("echo helped > out.txt") if self.acts == 1 else self.words("Written.")
        if self.acts > 1:
            return self.words("Handed over." if self.acts == 2 else "Done.")
        function = {"name": "sessions_spawn", "arguments": '{"task": "write out.txt"}'}
        calls = [{"id": "spawn", "type": "function", "function": function}]
        return {"role": "assistant", "content": "", "tool_calls": calls}

    def words(self, text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text}
