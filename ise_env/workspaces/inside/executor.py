"""The first process of a workspace: runs commands and file operations for the host.

One thread, one loop over the control socket, the commands' pipes and the deadlines. When the
socket ends, it exits, and the kernel kills everything else in the workspace. It starts in
some ten milliseconds, which is why it lives on builtin modules alone.
"""

import posix
import sys
from _signal import (  # type: ignore[import-not-found] # `signal` takes five milliseconds
    SIG_DFL,
    SIGCHLD,
    SIGKILL,
    set_wakeup_fd,
    signal,
)
from errno import EAGAIN, EBADF, EINVAL, EPIPE
from fcntl import ioctl
from resource import RLIMIT_CORE, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_NPROC, setrlimit
from select import POLLERR, POLLHUP, POLLIN, POLLOUT, poll
from time import monotonic

from . import files, wire
from .calls import LINGER_S, Call, Output
from .processes import Processes

KEPT_SESSIONS = 128
"""Sessions that are remembered; the oldest finished ones are forgotten beyond that."""
STDIN_QUEUE = 16 * 2**20
ORPHANED_PIPES = 64
KILL_AGAIN_S = 1.0

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fields = dict[str, Any]
else:
    Fields = dict


class Executor:
    """Serves one control socket until it ends.

    Args:
        control: Descriptor of the socket, a stream.
        oom_fd: Descriptor of `/proc/self/oom_score_adj`, or -1.
    """

    def __init__(self, control: int, oom_fd: int) -> None:
        self._control = control
        self._reader = wire.FrameReader()
        self._processes = Processes(posix.getpid(), oom_fd)
        self._poller = poll()
        self._calls: dict[int, Call] = {}
        """By process id of the leader, until they are finished and reported."""
        self._pipes: dict[int, Call] = {}
        self._stdins: dict[int, Call] = {}
        self._orphaned: list[int] = []
        self._sessions: dict[int, Call] = {}
        self._last_session = 0
        self._env: dict[str, str] = {}
        self._kept = 400_000
        self._running = True
        self._null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        self._wakeup = self._watch_children()
        self._poller.register(control, POLLIN)
        self._operations: dict[str, Callable[[Fields], object]] = {
            "hello": self._hello,
            "ping": lambda fields: None,
            "run": self._run,
            "poll": self._poll,
            "sessions": self._list_sessions,
            "stdin": self._write_stdin,
            "signal": self._signal,
            "forget": self._forget,
            "kill_everything": self._kill_everything,
            "read": lambda fields: files.read(fields["path"], fields["max_bytes"]),
            "write": lambda fields: files.write(fields["path"], fields["content"], fields["mode"]),
            "stat": lambda fields: files.describe(fields["path"]),
            "listdir": lambda fields: files.listing(fields["path"]),
            "populate": lambda fields: files.populate(fields["files"]),
        }

    def _watch_children(self) -> int:
        ours, theirs = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        signal(SIGCHLD, _ignore)
        set_wakeup_fd(theirs, warn_on_full_buffer=False)
        self._poller.register(ours, POLLIN)
        return ours

    # --- the loop ---------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer requests until the host closes the socket."""
        while self._running:
            for fd, event in self._poller.poll(self._wait_ms()):
                if fd == self._control:
                    self._receive()
                elif fd == self._wakeup:
                    self._drain_wakeup()
                else:
                    self._move_data(fd, event)
            self._expire()

    def _move_data(self, fd: int, event: int) -> None:
        if fd in self._stdins and (event & POLLOUT or fd not in self._pipes):
            self._writable(fd, event)
        if fd in self._pipes and event & ~POLLOUT:
            self._readable(fd)
        elif fd in self._orphaned:
            self._drain_orphan(fd)

    def _wait_ms(self) -> float | None:
        times = [
            moment
            for call in self._calls.values()
            for moment in (call.deadline, call.yield_at, call.linger_until, call.kill_again_at)
            if moment is not None
        ]
        times += [until for call in self._sessions.values() for _, until in call.waiters]
        return max(0.0, (min(times) - monotonic()) * 1000 + 1) if times else None

    def _receive(self) -> None:
        try:
            data = posix.read(self._control, 1 << 18)
        except OSError:
            data = b""
        if not data:
            self._running = False
            return
        for request in self._reader.feed(data):
            self._answer(request)

    def _answer(self, request: "object") -> None:
        if not isinstance(request, dict):
            raise wire.WireError("a request is a dict")
        number = request["id"]
        try:
            result = self._operations[request["op"]](request)
        except OSError as error:
            self._reply(
                {
                    "id": number,
                    "errno": error.errno or EINVAL,
                    "message": error.strerror or "",
                    "path": error.filename if isinstance(error.filename, str) else "",
                }
            )
        except KeyError as error:
            self._reply({"id": number, "missing": str(error.args[0])})
        except ValueError as error:
            self._reply({"id": number, "errno": EINVAL, "message": str(error), "path": ""})
        else:
            if result is not LATER:
                self._reply({"id": number, "ok": result})

    def _reply(self, fields: Fields) -> None:
        left = memoryview(wire.encode(fields))
        while left:
            left = left[posix.write(self._control, left) :]

    def _drain_wakeup(self) -> None:
        posix.read(self._wakeup, 4096)
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            call = self._calls.get(pid)
            if call is not None and call.status is None:
                self._leader_ended(call, status)

    def _expire(self) -> None:
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

    # --- commands ---------------------------------------------------------------------------

    def _hello(self, fields: Fields) -> Fields:
        self._env = fields["env"]
        self._kept = fields["output_bytes"]
        # The first process keeps some descriptors more than its children may open.
        setrlimit(RLIMIT_NOFILE, (fields["open_files"], fields["open_files"]))
        setrlimit(RLIMIT_CORE, (0, 0))
        if fields["processes"]:
            setrlimit(RLIMIT_NPROC, (fields["processes"], fields["processes"]))
        if fields["data_bytes"]:
            setrlimit(RLIMIT_DATA, (fields["data_bytes"], fields["data_bytes"]))
        return {"python": sys.version.split()[0]}

    def _run(self, fields: Fields) -> "object":
        argv, cwd = fields["argv"], files.absolute(fields["cwd"])
        env = {**self._env, **fields["env"], "PWD": cwd}
        if any("\0" in text for text in (*argv, *env, *env.values())):
            raise OSError(EINVAL, "an argument holds a zero byte", "")
        call, actions, terminal, opened = self._prepare(fields)
        try:
            call.pid, call.tag = self._processes.spawn(argv, env, cwd, actions, terminal)
        except OSError as error:
            for fd in (*opened, *call.open_outputs):
                posix.close(fd)
            if call.stdin >= 0 and call.stdin not in call.open_outputs:
                posix.close(call.stdin)
            if error.filename == cwd:
                raise
            return _not_started(argv[0], error)
        for fd in opened:
            posix.close(fd)
        self._register(call, fields)
        return LATER

    def _prepare(
        self, fields: Fields
    ) -> "tuple[Call, list[tuple[int, ...]], str | None, list[int]]":
        """Open what a command reads from and prints to."""
        call = Call(fields["id"], 0, 0, self._kept)
        dup = posix.POSIX_SPAWN_DUP2
        opened: list[int] = []
        if fields["pty"]:
            master, slave = posix.openpty()
            terminal = posix.ttyname(slave)
            ioctl(slave, 0x5414, b"\x18\x00\x50\x00\x00\x00\x00\x00")  # TIOCSWINSZ: 24 x 80
            posix.set_blocking(master, False)
            call.stdin, call.terminal = master, True
            call.open_outputs[master] = call.output
            return call, [], terminal, [slave]
        ours, theirs = posix.pipe2(posix.O_CLOEXEC)
        posix.set_blocking(ours, False)
        call.open_outputs[ours] = call.output
        opened.append(theirs)
        actions: list[tuple[int, ...]] = [(dup, theirs, 1)]
        if fields["apart"]:
            call.errors = Output(self._kept // 2, self._kept // 2)
            ours, theirs = posix.pipe2(posix.O_CLOEXEC)
            posix.set_blocking(ours, False)
            call.open_outputs[ours] = call.errors
            opened.append(theirs)
        actions.append((dup, theirs, 2))
        if fields["stdin"] is None and fields["yield_after_s"] != 0:
            actions.append((dup, self._null, 0))
        else:
            theirs, call.stdin = posix.pipe2(posix.O_CLOEXEC)
            posix.set_blocking(call.stdin, False)
            opened.append(theirs)
            actions.append((dup, theirs, 0))
        return call, actions, None, opened

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

    def _poll(self, fields: Fields) -> "object":
        call = self._sessions[fields["session"]]
        if fields["wait_s"] > 0 and not call.finished and call.output.total == call.reported:
            call.waiters.append((fields["id"], monotonic() + fields["wait_s"]))
            return LATER
        return call.view(consume=True)

    def _tell(self, call: Call, waiters: "list[tuple[int, float]]") -> None:
        for waiter in list(waiters):
            call.waiters.remove(waiter)
            self._reply({"id": waiter[0], "ok": call.view(consume=True)})

    def _list_sessions(self, fields: Fields) -> "list[object]":
        return [call.view(consume=False) for call in self._sessions.values()]

    def _write_stdin(self, fields: Fields) -> None:
        self._feed(self._sessions[fields["session"]], fields["data"], eof=fields["eof"])

    def _signal(self, fields: Fields) -> int:
        call, number = self._sessions[fields["session"]], fields["signal"]
        if not 0 <= number <= 64:
            raise OSError(EINVAL, f"no signal {number}", "")
        if number == SIGKILL:
            self._processes.kill(call.tag)
            return 0
        return self._processes.signal(call.tag, number)

    def _forget(self, fields: Fields) -> None:
        call = self._sessions.pop(fields["session"])
        self._processes.kill(call.tag)
        self._tell(call, call.waiters)

    def _kill_everything(self, fields: Fields) -> None:
        self._processes.kill_everything()


LATER = object()
"""What an operation returns that replies by itself."""


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


def _ignore(number: int, frame: object) -> None:
    """Let the signal only wake the loop."""


def _protect() -> int:
    """Keep the agent's processes from looking into this one; return the OOM score's fd."""
    try:
        oom_fd = posix.open("/proc/self/oom_score_adj", posix.O_WRONLY | posix.O_CLOEXEC)
    except OSError:
        oom_fd = -1
    # `_ctypes` alone: the package around it takes three milliseconds more.
    from _ctypes import call_function, dlopen, dlsym

    set_dumpable = 4
    libc = dlopen(None, 0)  # type: ignore[arg-type] # None is this program itself
    if call_function(dlsym(libc, "prctl"), (set_dumpable, 0, 0, 0, 0)) != 0:
        raise OSError(EBADF, "prctl(PR_SET_DUMPABLE) failed")
    return oom_fd


def main() -> None:
    """Serve the socket that is standard input."""
    oom_fd = _protect()
    control = posix.dup(0)
    posix.set_inheritable(control, False)
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in (0, 1):
        posix.dup2(null, fd)
    posix.close(null)
    signal(SIGCHLD, SIG_DFL)
    posix.umask(0o022)
    try:
        Executor(control, oom_fd).serve()
    except BaseException:  # noqa: BLE001 - the host reads it from our standard error
        sys.excepthook(*sys.exc_info())
        posix._exit(1)
    posix._exit(0)
