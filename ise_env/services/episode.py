"""The services of one episode: started with it, reached by its tools, read by its checks."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import smtplib
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from email.message import EmailMessage
from pathlib import Path

from ise_env.errors import IseError, WorkspaceError
from ise_env.services import crontab_command, guide, inbox, places, supervisor
from ise_env.services.access import Fetched, SearchHit, Unreachable
from ise_env.services.chat import ChatRoom
from ise_env.services.commit_tests import run_tests
from ise_env.services.fetching import fetch
from ise_env.services.git_host import MOST_PUSH, GitHost
from ise_env.services.httpd import Host, HttpServer
from ise_env.services.index import SiteIndex
from ise_env.services.journal import Journal
from ise_env.services.loop import shared
from ise_env.services.maildir import Mailboxes
from ise_env.services.plan import Plan
from ise_env.services.postman import Postman
from ise_env.services.records import ServiceRecords
from ise_env.services.scheduler import Scheduler
from ise_env.services.site import Site
from ise_env.services.smtp import MailHandler, MailServer
from ise_env.services.spec import CHAT_HOST, CRON_HOST, GIT_HOST, MAIL_HOST, USER_ADDRESS
from ise_env.workspaces.protocol import HOME, Backend, SeedFile, Workspace, WorkspaceGone

SMTP_PORT = 25
HTTP_PORT = 80
BACKLOG = 1024
"""Connections that the kernel holds while the loop is busy elsewhere."""


class ServiceError(WorkspaceError):
    """A service could not be started or asked; the message names it."""


class EpisodeServices:
    """What answers on one workspace's loopback; see `ServiceAccess` for what tools do with it.

    Args:
        plan: What there is to be.
        workspace: Fresh: nothing of the agent's runs in it yet.
        backend: Makes workspaces for what must not run on the host.

    Raises:
        ServiceError: One could not be started; nothing is left behind.
    """

    def __init__(self, plan: Plan, workspace: Workspace, backend: Backend) -> None:
        self._plan, self._workspace, self._backend = plan, workspace, backend
        self._folder = places.make()
        self._lock = threading.Lock()
        self._closed = False
        self._pid = os.getpid()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._index = SiteIndex(plan.sites)
        self._journal = Journal()
        self._boxes = Mailboxes(self._folder / "mail")
        self._sites = {site.host: Site(site, self._journal.take) for site in plan.sites}
        self._chat: ChatRoom | None = None
        self._git: GitHost | None = None
        self._scheduler: Scheduler | None = None
        self.hosts: Sequence[str] = plan.names
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    # --- starting ---------------------------------------------------------------------------

    def _start(self) -> None:
        hosts = {name: Host(site) for name, site in self._sites.items()}
        if self._plan.chat is not None:
            with _starting("chat"):
                self._chat = ChatRoom(self._plan.chat.channels, self._plan.chat.people)
            hosts[CHAT_HOST] = Host(self._chat)
        if self._plan.repositories:
            with _starting("git"):
                run = functools.partial(
                    run_tests, self._backend, allow_degraded=self._workspace.degraded
                )
                self._git = GitHost(self._plan.repositories, self._folder / "git", run)
                shared().run(self._git.create())
            hosts[GIT_HOST] = Host(self._git, MOST_PUSH)
        if self._plan.schedule is not None:
            self._scheduler = Scheduler(self._plan.schedule)
            hosts[CRON_HOST] = Host(self._scheduler)
        ports = {SMTP_PORT: "mail"} if self._plan.mail is not None else {}
        if hosts:
            ports[HTTP_PORT] = "web"
        if not ports:
            return
        with _starting(" and ".join(ports.values())):
            listeners = self._workspace.listen(list(ports))
        with contextlib.ExitStack() as unused:
            for listener in listeners.values():
                unused.callback(listener.close)
            for port, name in ports.items():
                with _starting(name):
                    shared().run(self._serve(port, listeners[port], hosts))
            unused.pop_all()

    async def _serve(self, port: int, listener: socket.socket, hosts: Mapping[str, Host]) -> None:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        if port == SMTP_PORT:
            server = await loop.create_server(self._mail_server(), sock=listener, backlog=BACKLOG)
        else:
            http = HttpServer(hosts)

            async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._tasks.add(task)
                try:
                    await http.serve(reader, writer)
                finally:
                    self._tasks.discard(task)

            server = await asyncio.start_server(converse, sock=listener, backlog=BACKLOG)
        self._servers.append(server)

    def _mail_server(self) -> MailServer:
        assert self._plan.mail is not None
        people = self._plan.people
        bounces = {a: person.bounces for a, person in people.items() if person.bounces}
        postman = Postman(self._plan.mail, people, self._workspace)
        return MailServer(MailHandler(self._boxes, people, bounces, postman.arrived))

    def files(self) -> Iterator[SeedFile]:
        """What the workspace starts with because of them."""
        yield guide.guide(self._plan)
        if self._plan.mail is not None:
            for number, mail in enumerate(self._plan.mail.messages, 1):
                yield inbox.mail_file(number, mail, self._plan.people)
        if self._plan.schedule is not None:
            source = Path(crontab_command.__file__).read_bytes()
            yield SeedFile(f"{HOME}/.local/bin/crontab", source, 0o755)
        if self._plan.mail is not None or self._plan.chat is not None:
            yield SeedFile(inbox.CONTACTS, inbox.contacts(self._plan.people.values()))
        if self._plan.supervised:
            yield from supervisor.files(self._plan.supervised)

    def start_inside(self) -> None:
        """Start what runs in the workspace itself; when its files are there.

        Raises:
            ServiceError: It did not start.
        """
        if self._plan.supervised:
            with _starting("supervisor"):
                supervisor.start(self._plan.supervised, self._workspace)

    # --- for tools ---------------------------------------------------------------------------

    def search(
        self,
        query: str,
        *,
        count: int = 5,
        after: date | None = None,
        before: date | None = None,
    ) -> list[SearchHit]:
        """Find pages of the episode's sites."""
        return self._index.search(query, count=count, after=after, before=before)

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        max_bytes: int = 2 * 2**20,
        timeout_s: float = 30.0,
    ) -> Fetched:
        """Ask a server on the workspace's loopback."""
        return fetch(
            url,
            self.hosts,
            self._connect,
            method=method,
            headers=headers or {},
            body=body,
            max_bytes=max_bytes,
            timeout_s=timeout_s,
        )

    def send(self, message: EmailMessage) -> None:
        """Send a mail by SMTP."""
        if self._plan.mail is None:
            raise Unreachable("there is no mail server")
        with self._connect(SMTP_PORT) as connection:
            _Mailer(connection).send_message(message, from_addr=USER_ADDRESS)

    def _connect(self, port: int) -> socket.socket:
        try:
            return self._workspace.connect(port)
        except WorkspaceGone:
            raise
        except OSError as error:
            raise Unreachable(f"nobody answers at port {port}: {error.strerror}") from error

    # --- the end -----------------------------------------------------------------------------

    def advance(self) -> None:
        """Let the scheduler's clock run to its end; while the workspace still runs.

        Raises:
            WorkspaceError: The machinery failed.
        """
        if self._scheduler is not None:
            self._scheduler.advance(self._workspace)

    def records(self) -> ServiceRecords:
        """Everything that was done to them; when the workspace's processes are gone.

        Raises:
            ServiceError: One does not come to rest, or failed meanwhile.
        """
        try:
            shared().run(self._settle(), within_s=60.0)
        except TimeoutError as error:
            raise ServiceError("the services do not come to rest", retryable=True) from error
        if self._git is not None and self._git.failure is not None:
            raise ServiceError(f"the service git could not run tests: {self._git.failure}")
        return ServiceRecords(
            mail=self._boxes.sent(),
            requests=self._journal.requests(),
            collections={
                (host, path): list(records.items)
                for host, site in self._sites.items()
                for path, records in site.collections.items()
            },
            posts=list(self._chat.posts) if self._chat else (),
            jobs=self._scheduler.jobs() if self._scheduler else (),
            firings=list(self._scheduler.firings) if self._scheduler else (),
            pushes=self._git.pushes() if self._git else (),
            test_runs=self._git.tests() if self._git else (),
            repositories=self._git.copies() if self._git else {},
        )

    async def _settle(self, within_s: float = 45.0) -> None:
        """Let requests that are being handled come to their end."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within_s)

    def close(self) -> None:
        """Stop serving and remove what was kept; idempotent. A forked child leaves all alone."""
        with self._lock:
            if self._closed or os.getpid() != self._pid:
                return
            self._closed = True
        try:
            shared().run(self._stop())
        finally:
            self._index.close()
            places.remove(self._folder)

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __enter__(self) -> EpisodeServices:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(plan: Plan | None, workspace: Workspace, backend: Backend) -> EpisodeServices | None:
    """Start what is planned, if anything is; see `EpisodeServices`."""
    return EpisodeServices(plan, workspace, backend) if plan is not None else None


class _Mailer(smtplib.SMTP):
    """An SMTP client on a connection that is there already."""

    def __init__(self, connection: socket.socket) -> None:
        self._given = connection
        super().__init__(MAIL_HOST, SMTP_PORT, local_hostname="workspace", timeout=30)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        self._given.settimeout(timeout)
        return self._given


@contextlib.contextmanager
def _starting(name: str) -> Iterator[None]:
    """Name the service that could not be started."""
    try:
        yield
    except IseError:
        raise
    except Exception as error:
        raise ServiceError(f"the service {name} did not start: {error}") from error
