"""Starting, telling apart and killing the processes of a workspace.

Every call has a tag that its processes cannot shed: the hard limit of an rlimit that Linux
has not enforced since 2.4 (`RLIMIT_LOCKS`). Children inherit it through any fork, double fork
or `setsid`, and a process without privileges can only lower it. So the first process lowers
its own by one before each call and reads everybody's with `prlimit`: no supervisor process
for each call, no cgroup, and a daemon that moved to another session still belongs to its call.
A process that lowers its tag names a call that does not exist yet, and is killed with any.
"""

import posix
from _signal import SIGKILL, SIGPIPE, SIGSTOP, SIGXFSZ  # type: ignore[import-not-found]
from errno import EACCES, ENOENT
from resource import prlimit, setrlimit

_TAG_LIMIT = 10  # RLIMIT_LOCKS; the resource module has no name for it
_FIRST_TAG = 1 << 30
_KILL_ROUNDS = 64


class Processes:
    """The processes below the first one, by tag.

    Args:
        own_pid: The first process itself, which belongs to no call.
        oom_fd: `/proc/self/oom_score_adj`, opened for writing; -1 where that is not to be had.
    """

    def __init__(self, own_pid: int, oom_fd: int) -> None:
        self._own_pid = own_pid
        self._oom_fd = oom_fd
        self._last_tag = _FIRST_TAG
        self._set_tag()

    def _set_tag(self) -> None:
        setrlimit(_TAG_LIMIT, (self._last_tag, self._last_tag))

    def spawn(
        self,
        argv: list[str],
        env: dict[str, str],
        cwd: str,
        actions: list[tuple[int, ...]],
        terminal: str | None,
    ) -> tuple[int, int]:
        """Start a program in a session of its own.

        Args:
            argv: The program and its arguments; looked up in `env["PATH"]`.
            env: Its whole environment.
            cwd: Where it starts.
            actions: File actions of `posix_spawn` for descriptors 0 to 2.
            terminal: Path of the terminal to control it.

        Returns:
            Its process id and its tag.

        Raises:
            OSError: As from `chdir` (then `filename` is `cwd`) or from `execve`.
        """
        posix.chdir(cwd)
        program = find_program(argv[0], env.get("PATH", ""))
        if terminal is not None:
            # A session leader that opens a terminal gets it as its controlling one.
            opened = (posix.POSIX_SPAWN_OPEN, 0, terminal, posix.O_RDWR, 0)
            dup = posix.POSIX_SPAWN_DUP2
            actions = [opened, (dup, 0, 1), (dup, 0, 2)]  # type: ignore[list-item]
        self._last_tag -= 1
        self._set_tag()
        self._oom_score(b"500")
        try:
            pid = posix.posix_spawn(
                program,
                argv,
                env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=(SIGPIPE, SIGXFSZ),
            )
        finally:
            self._oom_score(b"0")
        return pid, self._last_tag

    def _oom_score(self, value: bytes) -> None:
        if self._oom_fd >= 0:
            posix.pwrite(self._oom_fd, value, 0)

    def members(self, tag: int) -> list[int]:
        """Return the processes of a call, and those with a tag that no call has."""
        found = []
        for name in posix.listdir("/proc"):
            if not name.isdecimal():
                continue
            pid = int(name)
            if pid == self._own_pid:
                continue
            try:
                hard = prlimit(pid, _TAG_LIMIT)[1]
            except OSError:
                continue
            if hard == tag or 0 <= hard < self._last_tag:
                found.append(pid)
        return found

    def signal(self, tag: int, number: int) -> int:
        """Signal every process of a call; return how many there were."""
        members = self.members(tag)
        for pid in members:
            _kill(pid, number)
        return len(members)

    def kill(self, tag: int) -> None:
        """Kill every process of a call, also when they fork as fast as they can.

        They are stopped first, in rounds, because a stopped process starts no other; if that
        does not end, everything in the workspace is killed.
        """
        stopped: set[int] = set()
        for _ in range(_KILL_ROUNDS):
            fresh = [pid for pid in self.members(tag) if pid not in stopped]
            if not fresh:
                break
            for pid in fresh:
                _kill(pid, SIGSTOP)
            stopped.update(fresh)
        else:
            self.kill_everything()
            return
        for pid in stopped:
            _kill(pid, SIGKILL)

    def kill_everything(self) -> None:
        """Kill every process but the first; the kernel does that in one go."""
        _kill(-1, SIGKILL)


def _kill(pid: int, number: int) -> None:
    try:
        posix.kill(pid, number)
    except OSError:
        return


def find_program(name: str, search: str) -> str:
    """Return the path of a program as a shell would find it."""
    if "/" in name:
        return name
    refused = False
    for folder in search.split(":"):
        path = f"{folder or '.'}/{name}"
        if posix.access(path, posix.X_OK):
            return path
        refused = refused or posix.access(path, posix.F_OK)
    if refused:
        raise OSError(EACCES, "Permission denied", name)
    raise OSError(ENOENT, "No such file or directory", name)
