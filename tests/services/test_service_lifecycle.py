"""Services begin and end with their episode, and leave nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from ise_env.services import places
from ise_env.services.episode import EpisodeServices, ServiceError
from ise_env.services.plan import plan
from ise_env.services.spec import MailSeed, Page, RepositorySeed, SiteSeed

SEEDS = (MailSeed(), SiteSeed(host="a.example", pages=(Page(path="/", body="hello"),)))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def test_closing_frees_sockets_threads_and_folders(serve):
    serve(*SEEDS).services.close()  # the loop and its thread stay for the process
    before = descriptors(), threading.active_count()
    for _ in range(3):
        place = serve(*SEEDS)
        place.shell("curl -s http://a.example/ & exec 3<>/dev/tcp/mail.office.example/25; wait")
        place.services.close()
        place.services.close()
        place.workspace.close()
        assert not place.services._folder.exists()
    after = descriptors(), threading.active_count()
    assert after[0] <= before[0] and after[1] <= before[1] + 1


def test_many_episodes_at_once_do_not_mix(serve):
    places = [
        serve(SiteSeed(host="a.example", pages=(Page(path="/", body=f"number {n}"),)))
        for n in range(4)
    ]
    for number, place in enumerate(places):
        assert place.shell("curl -s http://a.example/") == f"number {number}"
    for number, place in enumerate(places):
        assert len(place.services.records().requests) == 1, number


def test_a_service_that_cannot_start_is_named(local_backend):
    wanted = plan([("x/kit", RepositorySeed(name="x/y", stream="this is no stream\n"))])
    with local_backend.create(names=wanted.names) as workspace:
        before = descriptors()
        with pytest.raises(ServiceError, match=r"the service git did not start: .*"):
            EpisodeServices(wanted, workspace, local_backend)
        taken = workspace.listen([80])
        wanted = plan([("x/kit", seed) for seed in SEEDS])
        with pytest.raises(ServiceError, match=r"service mail and web did not start: .*port 80"):
            EpisodeServices(wanted, workspace, local_backend)
        taken[80].close()
        assert descriptors() == before


KILLED = """
import os, signal
from ise_env.services import places
folder = places.make()
(folder / "mail").mkdir()
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_host_process_leaves_nothing_after_reaping(tmp_path, monkeypatch):
    monkeypatch.setenv("ISE_STATE_DIR", str(tmp_path))
    mine = places.make()
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL
    folder = done.stdout.strip()
    assert places.reap(dry_run=True) == [f"directory {folder}"] == places.reap()
    assert not os.path.exists(folder)
    assert mine.exists()


def test_a_process_that_ends_without_closing_leaves_nothing(tmp_path):
    program = "from ise_env.services import places; print(places.make())"
    environment = {**os.environ, "ISE_STATE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.startswith(str(tmp_path))
    assert not os.path.exists(done.stdout.strip())


def test_a_forked_child_leaves_the_services_to_its_parent(serve):
    place = serve(*SEEDS)
    child = os.fork()
    if child == 0:
        place.services.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert place.shell("curl -s http://a.example/") == "hello"
