"""Programs that Supervisor runs inside a workspace."""

from __future__ import annotations

import pytest

from ise_env.rewards.checks import Processes, TextMatch
from ise_env.rewards.evidence import Evidence
from ise_env.services.episode import ServiceError
from ise_env.services.plan import outside
from ise_env.services.spec import SupervisorSeed
from ise_env.tasks.system_infrastructure._supervised import SUPERVISOR
from ise_env.workspaces.protocol import SeedFile

SEED = SupervisorSeed(programs="box/programs", ports=(8123,))
WEB = b"""[program:box-web]
command = python3 -m http.server 8123 --bind 127.0.0.1
directory = /workspace/box
autorestart = true
redirect_stderr = true
stdout_logfile = /workspace/box/web.log
"""
LOST = b"""[program:box-lost]
command = sh -c "echo no ground; exit 3"
startretries = 0
stdout_logfile = /workspace/box/lost.log
"""
FILES = (
    SeedFile("box/programs/web.ini", WEB),
    SeedFile("box/programs/lost.ini", LOST),
    SeedFile("box/index.html", b"hello\n"),
)


def states(place):
    lines = place.shell("supervisorctl status").splitlines()
    return {line.split()[0]: line.split()[1] for line in lines if line.startswith("box-")}


def test_programs_run_restart_and_are_told_of(serve):
    place = serve(SEED)
    place.workspace.populate(FILES)
    place.services.start_inside()
    place.workspace.checkpoint()
    assert states(place) == {"box-web": "RUNNING", "box-lost": "FATAL"}
    assert place.shell("curl -s http://127.0.0.1:8123/") == "hello\n"
    assert place.shell("cat box/lost.log") == "no ground\n"
    assert "box/programs/*.ini" in place.shell("cat TOOLS.md")
    before = place.shell("supervisorctl pid box-web")
    place.shell(f"kill -9 {before}; until curl -sf http://127.0.0.1:8123/; do sleep 0.05; done")
    assert place.shell("supervisorctl pid box-web") not in (before, "0\n")
    running = Processes(
        id="p", command=TextMatch(matches=("http.server 8123",)), parent=SUPERVISOR, count=1
    )
    evidence = Evidence(place.workspace.freeze())
    assert running.judge(evidence)
    assert running.model_copy(update={"since_start": True, "count": 0}).judge(evidence)


def test_a_program_that_never_answers_is_named(serve, monkeypatch):
    monkeypatch.setattr("ise_env.services.supervisor.WAIT_S", 0.2)
    place = serve(SEED)
    place.workspace.populate(FILES[1:])
    with pytest.raises(ServiceError, match=r"service supervisor did not start: .*port 8123"):
        place.services.start_inside()


def test_settings_that_cannot_be_read_are_named(serve):
    place = serve(SEED)
    place.workspace.populate([SeedFile("box/programs/web.ini", b"[program:box-web]\n")])
    with pytest.raises(ServiceError, match=r"supervisor did not start: .*box-web"):
        place.services.start_inside()


def test_a_folder_of_another_kit_is_outside():
    assert outside(SEED, "box") == ""
    assert outside(SEED, "other") == "box/programs"
