"""What must answer when the episode ends, asked from outside before everything is stopped.

The look is taken while everything still runs (`probe`), and kept; judging reads what was kept,
so judging twice gives the same answer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from pydantic import Field

from ise_env.rewards.checks.kind import Kind, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet, excerpt
from ise_env.rewards.probing import get
from ise_env.workspaces.protocol import Workspace


class LiveCheck(Kind):
    """A check with something to look at before the freeze."""

    @abstractmethod
    def probe(self, workspace: Workspace) -> str:
        """Look; returns what was seen, raises `Unmet` where it is not as it should be."""

    def judge(self, evidence: Evidence) -> str:
        """Recall what was seen."""
        good, seen = evidence.probed.get(self.id, (False, "nobody looked while it was running"))
        if not good:
            raise Unmet(seen)
        return seen


class EndpointAnswers(LiveCheck):
    """A server inside the workspace answers a GET on its loopback."""

    kind: Literal["endpoint_answers"] = "endpoint_answers"
    port: int = Field(ge=1, le=65535)
    route: str = "/"
    status: int = 200
    body: TextMatch | None = None

    def probe(self, workspace: Workspace) -> str:
        """Ask it from outside, over a connection opened in the workspace's network."""
        where = f"http://127.0.0.1:{self.port}{self.route}"
        status, body = get(workspace, self.port, self.route)
        if status != self.status:
            raise Unmet(f"{where}: status {status}, not {self.status}")
        if self.body is not None:
            return self.body.demand(body.decode("utf-8", "replace"), where)
        return f"{where}: {status}, {excerpt(body.decode('utf-8', 'replace'), 80)}"
