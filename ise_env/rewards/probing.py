"""Looking at what runs in a workspace from outside, before its processes are stopped."""

from __future__ import annotations

from ise_env.rewards.evidence import Unmet
from ise_env.services.access import Unreachable
from ise_env.services.fetching import fetch
from ise_env.workspaces.protocol import Workspace

PATIENCE_S = 10.0
MOST_BODY = 1 << 20


def get(workspace: Workspace, port: int, route: str) -> tuple[int, bytes]:
    """Status and body of a GET to a server inside; `Unmet` where nobody answers in HTTP."""
    url = f"http://127.0.0.1:{port}{route}"
    try:
        answer = fetch(
            url,
            (),
            workspace.connect,
            method="GET",
            headers={},
            body=b"",
            max_bytes=MOST_BODY,
            timeout_s=PATIENCE_S,
        )
    except Unreachable as error:
        raise Unmet(f"{url}: {error}") from error
    except ConnectionError as error:
        raise Unmet(f"{url}: nobody answers: {error.strerror}") from error
    return answer.status, answer.body
