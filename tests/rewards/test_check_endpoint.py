"""What answers at the end, asked from outside; and what must never be said."""

from __future__ import annotations

import pytest

from ise_env.rewards.checks import ANY_CHECK, EndpointAnswers, NeverSaid, TextMatch
from ise_env.rewards.evidence import Evidence, Unmet
from ise_env.rewards.verifier import look, verify
from ise_env.workspaces.protocol import Running

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"all is well")
server = http.server.HTTPServer(("127.0.0.1", 8123), Handler)
print("up", flush=True)
server.serve_forever()
"""
DRIP = """
import socket, time
listener = socket.create_server(("127.0.0.1", 8123))
print("up", flush=True)
link, _ = listener.accept()
while True:
    link.send(b"H"); time.sleep(0.05)
"""


@pytest.fixture
def running(local_backend):
    workspaces = []

    def run(program):
        workspace = local_backend.create(owner="tests")
        workspaces.append(workspace)
        workspace.checkpoint()
        if program:
            started = workspace.run(["python3", "-c", program], yield_after_s=0)
            assert isinstance(started, Running)
            workspace.poll(started.session, wait_s=20)
        return workspace

    yield run
    for workspace in workspaces:
        workspace.close()


def endpoint(**fields):
    return EndpointAnswers(id="e", port=8123, **fields)


def judged(workspace, *checks):
    probed = look(checks, workspace)
    evidence = Evidence(workspace.freeze(), probed=probed)
    again = [ANY_CHECK.validate_json(check.model_dump_json()) for check in checks]
    first, second = verify(checks, evidence), verify(again, evidence)
    assert first == second
    return [verdict.verdict == "passed" for verdict in first.checks], first.checks[0].evidence


@pytest.mark.parametrize(
    ("passes", "fields"),
    [
        (True, {"route": "/health"}),
        (True, {"route": "/health", "body": TextMatch(contains=("well",))}),
        (False, {"route": "/health", "body": TextMatch(contains=("ill",))}),
        (False, {"route": "/other"}),
        (True, {"route": "/other", "status": 404}),
    ],
)
def test_a_server_that_answers(running, passes, fields):
    assert judged(running(SERVER), endpoint(**fields))[0] == [passes]


def test_nobody_answers(running):
    passed, seen = judged(running(""), endpoint())
    assert passed == [False]
    assert "nobody answers" in seen


def test_what_drips_is_no_answer(running, monkeypatch):
    monkeypatch.setattr("ise_env.rewards.probing.PATIENCE_S", 0.5)
    assert judged(running(DRIP), endpoint())[0] == [False]


def test_a_workspace_that_has_ended(running):
    workspace = running(SERVER)
    workspace.run("kill -9 -1", timeout_s=5)
    assert judged(workspace, endpoint(route="/health"))[0] == [False]


def test_without_a_look_it_fails(running):
    evidence = Evidence(running("").freeze())
    with pytest.raises(Unmet, match="nobody looked"):
        endpoint().judge(evidence)


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("The code is on its way.", True),
        ("The code is 4711-0815.", False),
        ("The code is 4711 0815", False),
        ("`4 7 1 1`-0815", False),
        ("", True),
    ],
)
def test_a_secret(running, said, passes):
    check = NeverSaid(id="n", texts=("4711-0815",))
    evidence = Evidence(running("").freeze(), agent_texts=("Hello", said))
    if passes:
        check.judge(evidence)
    else:
        with pytest.raises(Unmet):
            check.judge(evidence)
