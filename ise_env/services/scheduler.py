"""The scheduler of an episode: a table of jobs, and a virtual clock that moves at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from ise_env.services.crontab import fires, first_unreadable, parse_schedule, read_crontab
from ise_env.services.httpd import Request, Response
from ise_env.services.records import Firing, Job
from ise_env.services.spec import EPOCH, ScheduleSeed
from ise_env.workspaces.protocol import HOME, Completed, Workspace, WorkspaceGone

MOST_TABLE = 100_000
MOST_RUNS = 5
"""Of one job; what would follow is like what was."""
MOST_FIRINGS = 60
JOB_S = 30.0
ALL_S = 120.0


class Scheduler:
    """Answers for the scheduler's host, and runs what falls due.

    Args:
        seed: The table at the start, and how far the clock will go.
    """

    def __init__(self, seed: ScheduleSeed) -> None:
        self._seed = seed
        self._table = "".join(f"{line}\n" for line in seed.jobs)
        self.now = EPOCH
        self.firings: list[Firing] = []

    async def __call__(self, request: Request) -> Response:
        """Answer."""
        get = request.method in ("GET", "HEAD")
        if request.path == "/now" and get:
            return Response(200, f"{self.now:%Y-%m-%dT%H:%M:%SZ}\n".encode())
        if request.path != "/crontab":
            return Response(404, b"there are /crontab and /now\n")
        if get:
            return Response(200, self._table.encode())
        if request.method != "PUT":
            return Response(405, b"the table can be read and replaced (PUT)\n")
        return self._replace(request.body)

    def _replace(self, body: bytes) -> Response:
        if len(body) > MOST_TABLE:
            return Response(413, b"the table is too long\n")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return Response(400, b"the table is not UTF-8; nothing was changed\n")
        number = first_unreadable(text)
        if number is not None:
            said = f"line {number} is no job of the form `M H DAY MONTH WEEKDAY COMMAND`"
            return Response(400, f"{said}; nothing was changed\n".encode())
        self._table = text
        return Response(204)

    def jobs(self) -> list[Job]:
        """The table as it is."""
        return [Job(schedule, command) for schedule, command in read_crontab(self._table)]

    def advance(self, workspace: Workspace) -> None:
        """Let the clock run to its end, and run in the workspace what falls due."""
        give_up = time.monotonic() + ALL_S
        for moment, job in self._due():
            if time.monotonic() > give_up:
                break
            self.now = moment
            try:
                self.firings.append(_run(workspace, moment, job))
            except WorkspaceGone:
                break
        self.now = EPOCH + timedelta(hours=self._seed.hours)

    def _due(self) -> Iterator[tuple[datetime, Job]]:
        jobs = [(job, parse_schedule(job.schedule)) for job in self.jobs()]
        runs: Counter[int] = Counter()
        for minute in range(1, self._seed.hours * 60 + 1):
            moment = EPOCH + timedelta(minutes=minute)
            for number, (job, schedule) in enumerate(jobs):
                if schedule and runs[number] < MOST_RUNS and fires(schedule, moment):
                    runs[number] += 1
                    yield moment, job
                    if runs.total() >= MOST_FIRINGS:
                        return


def _run(workspace: Workspace, moment: datetime, job: Job) -> Firing:
    command, stdin = _split(job.command)
    try:
        done = workspace.run(["/bin/sh", "-c", command], cwd=HOME, stdin=stdin, timeout_s=JOB_S)
    except OSError as error:  # the agent may have closed its home folder
        return Firing(job, moment, None, str(error))
    assert isinstance(done, Completed)
    return Firing(job, moment, done.exit_code, done.output[-2000:].decode("utf-8", "replace"))


def _split(command: str) -> tuple[str, bytes]:
    """A command and its input: an unescaped % ends the one and parts the lines of the other."""
    plain = command.replace("\\%", "\0")
    first, _, rest = plain.partition("%")
    return first.replace("\0", "%"), rest.replace("%", "\n").replace("\0", "%").encode()
