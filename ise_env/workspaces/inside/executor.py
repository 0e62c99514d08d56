"""The first process of a workspace: runs commands and file operations for the host.

One thread, one loop over the link to the host, the commands' pipes and the deadlines. When the
link ends, it exits, and the kernel kills everything else in the workspace. It starts in
some ten milliseconds, which is why it lives on builtin modules alone.
"""

import posix
import sys
from _signal import (  # type: ignore[import-not-found] # `signal` takes five milliseconds
    SIG_DFL,
    SIGCHLD,
    set_wakeup_fd,
    signal,
)
from errno import EBADF, EINVAL
from resource import RLIMIT_CORE, RLIMIT_DATA, RLIMIT_NOFILE, RLIMIT_NPROC, setrlimit
from select import POLLIN, poll

from . import files, wire
from .commands import LATER, Commands
from .link import Link
from .processes import Processes

TYPE_CHECKING = False  # `typing` takes longer to import than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Fields = dict[str, Any]
else:
    Fields = dict


class Executor:
    """Serves one link until it ends.

    Args:
        link: To the host.
        oom_fd: Descriptor of `/proc/self/oom_score_adj`, or -1.
    """

    def __init__(self, link: Link, oom_fd: int) -> None:
        self._requests = link.requests
        self._replies = link.replies
        self._reader = wire.FrameReader()
        self._poller = poll()
        self._commands = commands = Commands(
            self._poller, Processes(posix.getpid(), oom_fd), self._reply
        )
        self._running = True
        self._wakeup = self._watch_children()
        self._poller.register(link.requests, POLLIN)
        self._operations: dict[str, Callable[[Fields], object]] = {
            "hello": self._hello,
            "ping": lambda fields: None,
            "run": commands.run,
            "poll": commands.poll,
            "sessions": commands.list_sessions,
            "stdin": commands.write_stdin,
            "signal": commands.signal,
            "forget": commands.forget,
            "kill_everything": commands.kill_everything,
            "read": lambda fields: files.read(fields["path"], fields["max_bytes"]),
            "write": lambda fields: files.write(fields["path"], fields["content"], fields["mode"]),
            "stat": lambda fields: files.describe(fields["path"]),
            "listdir": lambda fields: files.listing(fields["path"]),
            "populate": lambda fields: files.populate(fields["files"]),
            "lend": lambda fields: link.lend(fields["listen"], fields["connect"]),
        }

    def _watch_children(self) -> int:
        ours, theirs = posix.pipe2(posix.O_CLOEXEC | posix.O_NONBLOCK)
        signal(SIGCHLD, _ignore)
        set_wakeup_fd(theirs, warn_on_full_buffer=False)
        self._poller.register(ours, POLLIN)
        return ours

    # --- the loop ---------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer requests until the host closes the link."""
        while self._running:
            for fd, event in self._poller.poll(self._commands.wait_ms()):
                if fd == self._requests:
                    self._receive()
                elif fd == self._wakeup:
                    self._drain_wakeup()
                else:
                    self._commands.move_data(fd, event)
            self._commands.expire()

    def _receive(self) -> None:
        try:
            data = posix.read(self._requests, 1 << 18)
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
            left = left[posix.write(self._replies, left) :]

    def _drain_wakeup(self) -> None:
        posix.read(self._wakeup, 4096)
        while True:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._commands.ended(pid, status)

    def _hello(self, fields: Fields) -> Fields:
        self._commands.env = fields["env"]
        self._commands.kept = fields["output_bytes"]
        setrlimit(RLIMIT_NOFILE, (fields["open_files"], fields["open_files"]))
        setrlimit(RLIMIT_CORE, (0, 0))
        if fields["processes"]:
            setrlimit(RLIMIT_NPROC, (fields["processes"], fields["processes"]))
        if fields["data_bytes"]:
            setrlimit(RLIMIT_DATA, (fields["data_bytes"], fields["data_bytes"]))
        return {"python": sys.version.split()[0]}


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
    """Serve the link that the command line names: a socket's path, `stdio`, or standard input."""
    oom_fd = _protect()
    link = Link(sys.argv[1] if len(sys.argv) > 1 else "")
    null = posix.open("/dev/null", posix.O_RDWR)
    for fd in (0, 1):
        posix.dup2(null, fd)
    posix.close(null)
    signal(SIGCHLD, SIG_DFL)
    posix.umask(0o022)
    try:
        Executor(link, oom_fd).serve()
    except BaseException:  # noqa: BLE001 - the host reads it from our standard error
        sys.excepthook(*sys.exc_info())
        posix._exit(1)
    posix._exit(0)
