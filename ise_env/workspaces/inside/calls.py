"""One command and what it prints: pipes, bounded output, the state that a session shows."""

import posix
from errno import EAGAIN, EIO
from time import monotonic

LINGER_S = 0.075
"""How long a command's pipes are read on after its leader has exited while others hold them."""

_CHUNK = 1 << 16


class Output:
    """The head and the tail of what a command prints; the rest is only counted.

    Args:
        head: Most bytes kept from the beginning.
        tail: Most bytes kept from the end.
    """

    def __init__(self, head: int, tail: int) -> None:
        self._head_size = head
        self._tail_size = tail
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take what was printed next."""
        self.total += len(data)
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            if len(self._tail) > 2 * self._tail_size:
                del self._tail[: -self._tail_size]

    def whole(self) -> tuple[bytes, int, int]:
        """Return head and tail, how many bytes are left out, and where."""
        tail = self._tail[-self._tail_size :]
        omitted = self.total - len(self._head) - len(tail)
        return bytes(self._head + tail), omitted, len(self._head) if omitted else 0

    def newest(self, size: int) -> tuple[bytes, int]:
        """Return the last `size` bytes that are kept, and how many came before them."""
        omitted = self.total - len(self._head) - len(self._tail)
        text = self._tail if omitted else self._head + self._tail
        data = bytes(text[-size:])
        return data, self.total - len(data)


class Call:
    """A command from its start to the end of its output."""

    def __init__(self, number: int, kept: int) -> None:
        self.request = number
        """Request that waits for the result; 0 when nobody does."""
        self.session = 0
        """Its number once it runs in the background."""
        self.pid = 0
        self.tag = 0
        self.started = monotonic()
        self.ended = 0.0
        self.deadline: float | None = None
        self.yield_at: float | None = None
        self.status: int | None = None
        """Wait status of the leader."""
        self.timed_out = False
        self.kill_again_at: float | None = None
        self.linger_until: float | None = None
        self.open_outputs: dict[int, Output] = {}
        self.stdin = -1
        self.stdin_left = bytearray()
        self.stdin_closing = False
        self.terminal = False
        self.hung_up = False
        """Nobody holds the terminal any more; it stays open until the leader has exited."""
        self.finished = False
        self.waiters: list[tuple[int, float]] = []
        """Requests that wait for news of it, and until when."""
        self.kept = kept
        half = kept // 2
        self.output = Output(half, kept - half)
        self.errors: Output | None = None
        self.reported = 0
        """Bytes of `output` that polls have told."""

    def drain(self, fd: int, *, rounds: int = 4) -> bool:
        """Read what a pipe holds; return whether it has come to its end."""
        sink = self.open_outputs[fd]
        for _ in range(rounds):
            try:
                data = posix.read(fd, _CHUNK)
            except OSError as error:
                if error.errno == EAGAIN:
                    return False
                if error.errno == EIO:  # a terminal that nobody holds any more
                    return True
                raise
            if not data:
                return True
            sink.add(data)
            if len(data) < _CHUNK // 2:
                return False
        return False

    def to_background(self, session: int) -> None:
        """Go on as a session: from now on only the newest output is kept."""
        self.session = session
        self.request = 0
        self.yield_at = None

    def news(self, *, consume: bool) -> tuple[bytes, int]:
        """Return the output that no poll has told yet, and how much of it is lost."""
        fresh = self.output.total - self.reported
        data, _ = self.output.newest(min(fresh, self.kept)) if fresh else (b"", 0)
        if consume:
            self.reported = self.output.total
        return data, fresh - len(data)

    def exit(self) -> tuple[int | None, int | None]:
        """Return exit code and signal of the leader."""
        if self.status is None:
            return None, None
        if posix.WIFSIGNALED(self.status):
            return None, posix.WTERMSIG(self.status)
        return posix.WEXITSTATUS(self.status), None

    def completed(self) -> dict[str, object]:
        """Return the result of a command that has ended."""
        code, number = self.exit()
        output, omitted, gap = self.output.whole()
        errors = self.errors.whole()[0] if self.errors is not None else b""
        total = self.output.total + (self.errors.total if self.errors is not None else 0)
        return {
            "output": output,
            "omitted": omitted,
            "gap": gap,
            "total": total,
            "exit_code": code,
            "signal": number,
            "timed_out": self.timed_out,
            "duration_s": self.ended - self.started,
            "stderr": errors,
        }

    def view(self, *, consume: bool) -> dict[str, object]:
        """Return the state that a session shows."""
        code, number = self.exit()
        output, omitted = self.news(consume=consume)
        return {
            "session": self.session,
            "pid": self.pid,
            "running": not self.finished,
            "output": output,
            "omitted": omitted,
            "exit_code": code if self.finished else None,
            "signal": number if self.finished else None,
            "timed_out": self.timed_out,
            "duration_s": (self.ended if self.finished else monotonic()) - self.started,
            "stdin_open": self.stdin >= 0 and not (self.stdin_closing or self.hung_up),
        }
