"""The descriptors that a command is started with, and our ends of them."""

import posix
from fcntl import ioctl

_SET_SIZE = 0x5414  # TIOCSWINSZ
_ROWS_AND_COLUMNS = b"\x18\x00\x50\x00\x00\x00\x00\x00"  # 24 x 80


class Pipes:
    """Opened before a command starts; what it gets is closed here afterwards."""

    def __init__(self) -> None:
        self.actions: list[tuple[int, ...]] = []
        """File actions of `posix_spawn`."""
        self.terminal: str | None = None
        """Path of the terminal that the command gets for all three."""
        self._ours: list[int] = []
        self._theirs: list[int] = []

    def output(self, *targets: int) -> int:
        """Open a pipe for descriptors of the command; return the end to read from."""
        ours, theirs = posix.pipe2(posix.O_CLOEXEC)
        self._keep(ours, theirs)
        self.actions += [(posix.POSIX_SPAWN_DUP2, theirs, target) for target in targets]
        return ours

    def input(self) -> int:
        """Open a pipe for its standard input; return the end to write to."""
        theirs, ours = posix.pipe2(posix.O_CLOEXEC)
        self._keep(ours, theirs)
        self.actions.append((posix.POSIX_SPAWN_DUP2, theirs, 0))
        return ours

    def open_terminal(self) -> int:
        """Open a terminal for all three; return the end for both directions."""
        ours, theirs = posix.openpty()
        self._keep(ours, theirs)
        ioctl(theirs, _SET_SIZE, _ROWS_AND_COLUMNS)
        self.terminal = posix.ttyname(theirs)
        return ours

    def _keep(self, ours: int, theirs: int) -> None:
        self._ours.append(ours)
        self._theirs.append(theirs)
        posix.set_blocking(ours, False)

    def close_theirs(self) -> None:
        """Close what the command has got."""
        for fd in self._theirs:
            posix.close(fd)
        self._theirs.clear()

    def close(self) -> None:
        """Close everything: there will be no command."""
        self.close_theirs()
        for fd in self._ours:
            posix.close(fd)
        self._ours.clear()
