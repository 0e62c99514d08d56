"""Commands and sessions of a workspace: started, drained, timed out, reported."""

import posix
from _signal import SIGKILL  # type: ignore[import-not-found]
from errno import EAGAIN, EINVAL, EPIPE
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll
from time import monotonic

from . import files
from .calls import LINGER_S, Call, Output
from .pipes import Pipes
from .processes import Processes

KEPT_SESSIONS = 128
"""Sessions that are remembered; the oldest finished ones are forgotten beyond that."""
STDIN_QUEUE = 16 * 2**20
ORPHANED_PIPES = 64
KILL_AGAIN_S = 1.0

LATER = object()
"""What an operation returns that replies by itself."""

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fields = dict[str, Any]
else:
    Fields = dict


class Commands:
    """Every command that was started and not yet forgotten.

    Args:
        poller: Watches their pipes.
        processes: Starts and kills.
        reply: Sends a reply frame.
    """

    def __init__(
        self, poller: "poll", processes: Processes, reply: "Callable[[Fields], None]"
    ) -> None:
        self.env: dict[str, str] = {}
        """What every command gets, to which its caller adds."""
        self.kept = 400_000
        """Bytes of output kept of each."""
        self._poller = poller
        self._processes = processes
        self._reply = reply
        self._calls: dict[int, Call] = {}
        """By process id of the leader, until they are finished and reported."""
        self._pipes: dict[int, Call] = {}
        self._stdins: dict[int, Call] = {}
        self._orphaned: list[int] = []
        self._sessions: dict[int, Call] = {}
        self._last_session = 0
        self._null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)

    # --- the loop's side ----------------------------------------------------------------------

    def move_data(self, fd: int, event: int) -> None:
        """Read or write where a descriptor of a command is ready."""
        if fd in self._stdins and (event & POLLOUT or fd not in self._pipes):
            self._writable(fd, event)
        if fd in self._pipes and event & ~POLLOUT:
            self._readable(fd)
        elif fd in self._orphaned:
            self._drain_orphan(fd)

    def wait_ms(self) -> float | None:
        """Return how long nothing is due; None for ever."""
        times = [
            moment
            for call in self._calls.values()
            for moment in (call.deadline, call.yield_at, call.linger_until, call.kill_again_at)
            if moment is not None
        ]
        times += [until for call in self._sessions.values() for _, until in call.waiters]
        return max(0.0, (min(times) - monotonic()) * 1000 + 1) if times else None

    def ended(self, pid: int, status: int) -> None:
        """Take note of a child that was reaped; most are orphans, and nobody's leader."""
        call = self._calls.get(pid)
        if call is not None and call.status is None:
            self._leader_ended(call, status)

    def expire(self) -> None:
        """Do what is due: end, kill, report, hand over to the background."""
        if not self._calls and not self._sessions:
            return
        now = monotonic()
        for call in list(self._calls.values()):
            if call.deadline is not None and now >= call.deadline:
                call.deadline = None
                call.timed_out = True
                self._processes.kill(call.tag)
                call.kill_again_at = now + KILL_AGAIN_S
            if call.kill_again_at is not None and now >= call.kill_again_at:
                self._processes.kill_everything()
                call.kill_again_at = now + KILL_AGAIN_S
            if call.linger_until is not None and now >= call.linger_until:
                self._finish(call)
            elif call.yield_at is not None and now >= call.yield_at:
                self._go_on_in_background(call)
        for call in self._sessions.values():
            if call.waiters and any(now >= until for _, until in call.waiters):
                self._tell(call, [waiter for waiter in call.waiters if now >= waiter[1]])

    # --- starting -----------------------------------------------------------------------------

    def run(self, fields: Fields) -> "object":
        """Start a command; its result comes later."""
        argv, cwd = fields["argv"], files.absolute(fields["cwd"])
        env = {**self.env, **fields["env"], "PWD": cwd}
        if any("\0" in text for text in (*argv, *env, *env.values())):
            raise OSError(EINVAL, "an argument holds a zero byte", "")
        call, pipes = Call(fields["id"], self.kept), Pipes()
        try:
            self._connect(call, pipes, fields)
            call.pid, call.tag = self._processes.spawn(
                argv, env, cwd, pipes.actions, pipes.terminal
            )
        except OSError as error:
            pipes.close()
            if error.filename == cwd:
                raise
            return _not_started(argv[0], error)
        pipes.close_theirs()
        self._register(call, fields)
        return LATER

    def _connect(self, call: Call, pipes: Pipes, fields: Fields) -> None:
        """Open what a command reads from and prints to."""
        if fields["pty"]:
            call.terminal = True
            call.stdin = pipes.open_terminal()
            call.open_outputs[call.stdin] = call.output
            return
        if fields["apart"]:
            call.errors = Output(self.kept // 2, self.kept // 2)
            call.open_outputs[pipes.output(1)] = call.output
            call.open_outputs[pipes.output(2)] = call.errors
        else:
            call.open_outputs[pipes.output(1, 2)] = call.output
        if fields["stdin"] is None and fields["yield_after_s"] != 0:
            pipes.actions.append((posix.POSIX_SPAWN_DUP2, self._null, 0))
        else:
            call.stdin = pipes.input()

    def _register(self, call: Call, fields: Fields) -> None:
        self._calls[call.pid] = call
        for fd in call.open_outputs:
            self._pipes[fd] = call
            self._poller.register(fd, POLLIN)
        if fields["timeout_s"] is not None:
            call.deadline = call.started + fields["timeout_s"]
        if fields["stdin"] is not None:
            self._feed(call, fields["stdin"], eof=not call.terminal)
        if fields["yield_after_s"] == 0:
            self._go_on_in_background(call)
        elif fields["yield_after_s"] is not None:
            call.yield_at = call.started + fields["yield_after_s"]

    def _go_on_in_background(self, call: Call) -> None:
        number = call.request
        self._last_session += 1
        call.to_background(self._last_session)
        self._sessions[call.session] = call
        for old in list(self._sessions.values())[:-KEPT_SESSIONS]:
            if old.finished:
                del self._sessions[old.session]
        output, omitted = call.news(consume=True)
        running = {"session": call.session, "pid": call.pid, "output": output, "omitted": omitted}
        self._reply({"id": number, "ok": {"running": running}})

    def _readable(self, fd: int) -> None:
        call = self._pipes[fd]
        before = call.output.total
        if call.drain(fd):
            if call.terminal and call.status is None:
                # Closing it now would hang up on a leader that is about to exit.
                call.hung_up = True
                self._forget_fd(fd)
            else:
                self._close_output(call, fd)
        if call.output.total != before and call.waiters:
            self._tell(call, call.waiters)
        if not call.open_outputs and call.status is not None:
            self._finish(call)

    def _forget_fd(self, fd: int) -> None:
        try:
            self._poller.unregister(fd)
        except KeyError:  # a terminal that was hung up
            return

    def _close_output(self, call: Call, fd: int) -> None:
        del call.open_outputs[fd], self._pipes[fd]
        self._forget_fd(fd)
        if fd == call.stdin:
            call.stdin = -1
            self._stdins.pop(fd, None)
        posix.close(fd)

    def _leader_ended(self, call: Call, status: int) -> None:
        call.status = status
        call.ended = monotonic()
        call.deadline = call.kill_again_at = None
        for fd in list(call.open_outputs):
            if call.drain(fd, rounds=64):
                self._close_output(call, fd)
        if call.open_outputs:
            call.linger_until = call.ended + LINGER_S
        else:
            self._finish(call)

    def _finish(self, call: Call) -> None:
        """Report the end; a daemon may still print into pipes that are then only emptied."""
        call.finished, call.linger_until, call.yield_at = True, None, None
        del self._calls[call.pid]
        self._close_stdin(call)
        for fd in list(call.open_outputs):
            if call.terminal:
                self._close_output(call, fd)
                continue
            del self._pipes[fd], call.open_outputs[fd]
            self._orphaned.append(fd)
            if len(self._orphaned) > ORPHANED_PIPES:
                self._close_orphan(self._orphaned[0])
        if call.session:
            self._tell(call, call.waiters)
        else:
            self._reply({"id": call.request, "ok": {"completed": call.completed()}})

    def _drain_orphan(self, fd: int) -> None:
        try:
            data = posix.read(fd, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            self._close_orphan(fd)

    def _close_orphan(self, fd: int) -> None:
        self._orphaned.remove(fd)
        self._poller.unregister(fd)
        posix.close(fd)

    # --- standard input ---------------------------------------------------------------------

    def _feed(self, call: Call, data: bytes, *, eof: bool) -> None:
        if call.stdin < 0 or call.stdin_closing or call.hung_up:
            raise OSError(EPIPE, "stdin is closed", "")
        if len(call.stdin_left) + len(data) > STDIN_QUEUE:
            raise OSError(EAGAIN, "the command does not read its input", "")
        call.stdin_left += data
        if eof and call.terminal:
            call.stdin_left += b"\x04"
        call.stdin_closing = eof
        self._push(call)

    def _push(self, call: Call) -> None:
        try:
            while call.stdin_left:
                del call.stdin_left[: posix.write(call.stdin, call.stdin_left[: 1 << 16])]
        except BlockingIOError:
            self._stdins[call.stdin] = call
            events = POLLIN | POLLOUT if call.terminal else POLLOUT
            self._poller.register(call.stdin, events)
            return
        except OSError:
            call.stdin_left.clear()
            call.stdin_closing = True
        if call.stdin_closing and not call.terminal:
            self._close_stdin(call)
        elif call.stdin in self._stdins:
            del self._stdins[call.stdin]
            if call.terminal and not call.hung_up:
                self._poller.register(call.stdin, POLLIN)
            elif not call.terminal:
                self._poller.unregister(call.stdin)

    def _writable(self, fd: int, event: int) -> None:
        call = self._stdins[fd]
        if event & (POLLERR | POLLHUP) and not event & POLLOUT:
            self._close_stdin(call)
        else:
            self._push(call)

    def _close_stdin(self, call: Call) -> None:
        fd = call.stdin
        if fd < 0 or call.terminal:
            return
        call.stdin = -1
        if self._stdins.pop(fd, None) is not None:
            self._poller.unregister(fd)
        posix.close(fd)

    # --- sessions ---------------------------------------------------------------------------

    def poll(self, fields: Fields) -> "object":
        """Show a session, at once or as soon as there is news."""
        call = self._sessions[fields["session"]]
        if fields["wait_s"] > 0 and not call.finished and call.output.total == call.reported:
            call.waiters.append((fields["id"], monotonic() + fields["wait_s"]))
            return LATER
        return call.view(consume=True)

    def _tell(self, call: Call, waiters: "list[tuple[int, float]]") -> None:
        for waiter in list(waiters):
            call.waiters.remove(waiter)
            self._reply({"id": waiter[0], "ok": call.view(consume=True)})

    def list_sessions(self, fields: Fields) -> "list[object]":
        """Show every session without consuming its output."""
        return [call.view(consume=False) for call in self._sessions.values()]

    def write_stdin(self, fields: Fields) -> None:
        """Feed a session."""
        self._feed(self._sessions[fields["session"]], fields["data"], eof=fields["eof"])

    def signal(self, fields: Fields) -> int:
        """Signal everything of a session; return how many processes that was."""
        call, number = self._sessions[fields["session"]], fields["signal"]
        if not 0 <= number <= 64:
            raise OSError(EINVAL, f"no signal {number}", "")
        if number == SIGKILL:
            self._processes.kill(call.tag)
            return 0
        return self._processes.signal(call.tag, number)

    def forget(self, fields: Fields) -> None:
        """Kill what is left of a session and drop it."""
        call = self._sessions.pop(fields["session"])
        self._processes.kill(call.tag)
        self._tell(call, call.waiters)

    def kill_everything(self, fields: Fields) -> None:
        """Kill every process but the first."""
        self._processes.kill_everything()


def _not_started(name: str, error: OSError) -> Fields:
    """Say what a shell says of a program that cannot be started."""
    missing = error.errno in (2, 20)  # ENOENT, ENOTDIR
    text = f"{name}: {error.strerror}\n".encode("utf-8", "surrogateescape")
    result = {
        "output": text,
        "omitted": 0,
        "gap": 0,
        "total": len(text),
        "exit_code": 127 if missing else 126,
        "signal": None,
        "timed_out": False,
        "duration_s": 0.0,
        "stderr": b"",
    }
    return {"completed": result}
