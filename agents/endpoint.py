"""A model behind any OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ise_env.agents.compaction import Compactor
from ise_env.agents.protocol import AgentContext, AgentProvenance
from ise_env.agents.wire import FINGERPRINT
from ise_env.errors import ContextOverflow
from ise_env.llm import Completion, Endpoint, ModelClient, client_for
from ise_env.llm.reasoning import Spelling, joined

INTENT_HEADER = "X-ISE-Intent"
"""Id of the intent, percent-encoded: tells the scripted server whose solution to play."""

SEED_HEADER = "X-ISE-Seed"
SUBAGENT_HEADER = "X-ISE-Subagent"
"""Seed of the agent's randomness, for the scripted server."""


PRIVILEGED = frozenset({"oracle", "faulty"})
"""Scripted models that read the intent's own solutions."""


class EndpointAgent:
    """Sends each observation to the endpoint and returns the model's message, verbatim.

    The headers above name the intent, the seed and a sub-agent's session; nothing else of the
    context is sent.
    Only the scripted server reads them; others ignore unknown headers.

    Args:
        endpoint: Which model, where, with which sampling.
        client: Instead of the one that everybody shares for this endpoint.
    """

    def __init__(self, endpoint: Endpoint, client: ModelClient | None = None) -> None:
        self._client = client or client_for(endpoint)
        self._compactor = Compactor()
        self._spelling: Spelling | None = None
        self._headers: dict[str, str] = {}
        self.provenance = AgentProvenance(
            name="openai",
            version="1",
            scripted=False,
            model=endpoint.model,
            endpoint=endpoint.address,
            sampling={
                **endpoint.sampling,
                **endpoint.extra_body,
                **({"compact": True} if endpoint.compact else {}),
            },
        )

    def reset(self, context: AgentContext) -> None:
        """Get ready for a new episode."""
        self._spelling = None
        self._compactor = Compactor()
        self._headers = {INTENT_HEADER: quote(context.intent.id), SEED_HEADER: str(context.seed)}
        if context.subagent is not None:
            self._headers[SUBAGENT_HEADER] = context.subagent

    def act(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Ask the model.

        Returns:
            Its message; `x` holds usage, finish reason, timing and what else the server gave
            (see `ise_env.llm.Completion.annotations`).

        Raises:
            ContextOverflow: The history does not fit the model's context, and compaction is off
                or has nothing left to leave out.
            ModelEndpointError: No usable answer.
        """
        completion = self._compacting(observation)
        if completion.fingerprint == FINGERPRINT:
            self.provenance = self.provenance.model_copy(
                update={"scripted": True, "privileged": completion.model in PRIVILEGED}
            )
        self._spelling = completion.reasoning_spelling or self._spelling
        notes = completion.annotations()
        if compaction := self._compactor.record():
            notes["compaction"] = compaction
        return {**completion.message, "x": notes}

    def close(self) -> None:
        """Nothing of its own: the client is shared."""

    def _compacting(self, observation: dict[str, Any]) -> Completion:
        while True:
            try:
                return self._ask(observation)
            except ContextOverflow:
                compact = self._client.endpoint.compact
                if not (compact and self._compactor.shrink(observation["messages"])):
                    raise

    def _ask(self, observation: dict[str, Any]) -> Completion:
        messages = self._compactor.apply(observation["messages"])
        if (spelling := self._spelling) is not None:
            messages = [joined(m, spelling) if m["role"] == "assistant" else m for m in messages]
        return self._client.complete(
            messages, tools=observation["tools"], role="agent", headers=self._headers
        )
