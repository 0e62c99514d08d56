"""File operations of the process inside: links resolve here, as the agent's user.

Every function takes and gives what frames carry. Nothing here may block on what the agent
made: files are opened without waiting and checked to be regular before they are read.
"""

import posix
from _stat import S_IMODE, S_ISDIR, S_ISLNK, S_ISREG
from errno import EACCES, EFBIG, EINVAL, EISDIR, ENOENT, ENOTDIR, EPERM

WORKDIR = "/workspace"
NEW_FILE_MODE = 0o644
NEW_DIRECTORY_MODE = 0o755

_READ = posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC | posix.O_NOCTTY
_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC | posix.O_NOFOLLOW


def absolute(path: str) -> str:
    """Resolve a relative path against `WORKDIR`, textually."""
    if "\0" in path:
        raise OSError(EINVAL, "path holds a zero byte", path.replace("\0", "\\0"))
    if not path:
        raise OSError(ENOENT, "empty path", path)
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    if path in ("", "."):
        return WORKDIR
    return path if path.startswith("/") else f"{WORKDIR}/{path}"


def read(path: str, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most `max_bytes`."""
    full = absolute(path)
    fd = posix.open(full, _READ)
    try:
        found = posix.fstat(fd)
        if S_ISDIR(found.st_mode):
            raise OSError(EISDIR, "is a directory", path)
        if not S_ISREG(found.st_mode):
            raise OSError(EINVAL, "not a regular file", path)
        if found.st_size > max_bytes:
            raise OSError(EFBIG, f"{found.st_size} bytes, {max_bytes} is the most", path)
        return _read_up_to(fd, max_bytes, path)
    finally:
        posix.close(fd)


def _read_up_to(fd: int, max_bytes: int, path: str) -> bytes:
    # Files of /proc say that they are empty, and a file may grow while it is read.
    parts: list[bytes] = []
    left = max_bytes + 1
    while left:
        data = posix.read(fd, min(left, 1 << 20))
        if not data:
            return b"".join(parts)
        parts.append(data)
        left -= len(data)
    raise OSError(EFBIG, f"more than {max_bytes} bytes", path)


def write(path: str, content: bytes, mode: int | None) -> None:
    """Write a file by rename, so that nobody ever sees half of it."""
    target = _follow(absolute(path))
    kept = mode
    try:
        found = posix.lstat(target)
    except FileNotFoundError:
        pass
    else:
        if S_ISDIR(found.st_mode):
            raise OSError(EISDIR, "is a directory", path)
        if not S_ISREG(found.st_mode):
            raise OSError(EINVAL, "not a regular file", path)
        if kept is None:
            kept = S_IMODE(found.st_mode)
        if not posix.access(target, posix.W_OK):
            raise OSError(EACCES, "file is not writable", path)
    folder, _, name = target.rpartition("/")
    if name in ("", ".", ".."):
        raise OSError(EISDIR, "is a directory", path)
    make_directories(folder or "/")
    temporary = f"{folder}/.{name[:64]}.{posix.urandom(6).hex()}"
    try:
        create(temporary, content, NEW_FILE_MODE if kept is None else kept)
        posix.rename(temporary, target)
    except OSError as error:
        _discard(temporary)
        raise OSError(error.errno, error.strerror, path) from None


def _follow(path: str) -> str:
    """Follow the final links of a path, so that a rename replaces their target."""
    for _ in range(40):
        try:
            link = posix.readlink(path)
        except OSError:
            return path
        path = link if link.startswith("/") else f"{path.rpartition('/')[0]}/{link}"
    return path


def create(path: str, content: bytes, mode: int) -> None:
    """Make a new file; nothing may be there."""
    fd = posix.open(path, _CREATE, 0o600)
    try:
        left = memoryview(content)
        while left:
            left = left[posix.write(fd, left) :]
        posix.fchmod(fd, mode)
    finally:
        posix.close(fd)


def _discard(path: str) -> None:
    try:
        posix.unlink(path)
    except OSError:
        return


def make_directories(path: str) -> list[str]:
    """Make a directory and its parents; return those that were missing, outermost first."""
    missing: list[str] = []
    while True:
        try:
            found = posix.stat(path)
        except FileNotFoundError:
            missing.insert(0, path)
            path = path.rpartition("/")[0] or "/"
            continue
        if not S_ISDIR(found.st_mode):
            raise OSError(ENOTDIR, "not a directory", path)
        break
    for folder in missing:
        posix.mkdir(folder, NEW_DIRECTORY_MODE)
    return missing


def populate(files: list[list[object]]) -> int:
    """Write seed files (path, content, mode, mtime in seconds); return how many."""
    made: dict[str, int] = {WORKDIR: 0}
    for entry in files:
        path, content, mode, mtime = entry
        assert isinstance(path, str) and isinstance(content, bytes)
        assert isinstance(mode, int) and isinstance(mtime, int)
        full = absolute(path)
        for folder in make_directories(full.rpartition("/")[0] or "/"):
            made[folder] = mtime
        made[WORKDIR] = max(made[WORKDIR], mtime)
        _discard(full)
        create(full, content, mode)
        posix.utime(full, (mtime, mtime))
    for folder, mtime in made.items():
        try:
            posix.utime(folder, (mtime, mtime))
        except OSError as error:
            if error.errno not in (EPERM, EACCES):
                raise
    return len(files)


def describe(path: str) -> list[object]:
    """Describe a path without following a final link."""
    full = absolute(path)
    return _described(full, posix.lstat(full))


def _described(full: str, found: posix.stat_result) -> list[object]:
    mode = found.st_mode
    kind, target = "other", None
    if S_ISREG(mode):
        kind = "file"
    elif S_ISDIR(mode):
        kind = "directory"
    elif S_ISLNK(mode):
        kind, target = "link", posix.readlink(full)
    return [kind, found.st_size, S_IMODE(mode), found.st_mtime, target]


def listing(path: str) -> dict[str, object]:
    """Describe every name in a directory; names that vanish meanwhile are left out."""
    full = absolute(path)
    found: dict[str, object] = {}
    for name in sorted(posix.listdir(full)):
        try:
            found[name] = _described(f"{full}/{name}", posix.lstat(f"{full}/{name}"))
        except FileNotFoundError:
            continue
    return found
