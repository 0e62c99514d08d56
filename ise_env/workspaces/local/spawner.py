"""The process that starts sandboxes for one host process.

Mount and user namespaces can only be entered by a process with one thread, and a Python that
has loaded half the world is slow to fork; so this small program does it. It is started with
the first workspace and ends when the host process does: its only input is a socket. For the
same reason it opens sockets in the networks of workspaces, see `sockets`.

Once, at the start: its own mount namespace, in which the root that all workspaces share is
put together under `/tmp`; and the user namespace in which the dedicated user is root. For
each workspace, in a forked child: a copy of that mount namespace, a size-capped tmpfs for
what the workspace may write, an overlay if there is a template, then bubblewrap.

Mounts live in those namespaces alone, so none can leak: when the last process and the host's
descriptors are gone, the kernel drops them.
"""

from __future__ import annotations

import array
import os
import signal
import socket
import stat
import time
from typing import Any

from ..inside import wire
from . import sockets, syscalls

BASE = "/tmp"
ROOT = f"{BASE}/root"
TEMPLATES = f"{BASE}/templates"
LIVE = f"{BASE}/live"
CHECK = f"{BASE}/check"
MAX_FDS = 16
_REMEMBERED_GROUPS = 4096


class Spawner:
    """Serves requests until the socket ends.

    Args:
        requests: Stream of frames from the host, with descriptors beside them.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._reader = wire.FrameReader()
        self._fds: list[int] = []
        self._config: dict[str, Any] = {}
        self._user_namespace = -1
        self._bwrap = -1
        self._groups: list[str] = []

    def serve(self) -> None:
        """Configure, then fork one child for each request."""
        try:
            self._serve()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the host process went away before it had its answer
        finally:
            # The host process is gone, so the sockets are, so the workspaces soon will be.
            _remove_groups(self._groups)

    def _serve(self) -> None:
        while True:
            data, ancillary, _, _ = self._requests.recvmsg(1 << 16, socket.CMSG_SPACE(MAX_FDS * 4))
            if not data:
                return
            for level, kind, payload in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    received = array.array("i")
                    received.frombytes(payload[: len(payload) // 4 * 4])
                    for fd in received:  # the kernel makes them inheritable: to the agent, too
                        os.set_inheritable(fd, False)
                    self._fds.extend(received)
            for request in self._reader.feed(data):
                assert isinstance(request, dict)
                self._handle(request)

    def _handle(self, request: dict[str, Any]) -> None:
        if request["op"] == "configure":
            self._config = request
            answer: dict[str, object] = {}
            try:
                self._prepare()
            except OSError as error:
                answer = {"errno": error.errno or 0, "error": error.strerror or str(error)}
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children need no reaping
            self._requests.sendall(wire.encode(answer))
            return
        fds, self._fds = self._fds[: request["fds"]], self._fds[request["fds"] :]
        if os.fork() == 0:
            if request["op"] == "reach":
                sockets.reach(request, *fds)
            _child(self._config, self._user_namespace, self._bwrap, request, fds)
        for fd in fds:
            os.close(fd)
        self._groups += request.get("groups", ())
        if len(self._groups) > _REMEMBERED_GROUPS:
            self._groups = [group for group in self._groups if os.path.isdir(group)]

    # --- once ---------------------------------------------------------------------------------

    def _prepare(self) -> None:
        config = self._config
        if config["privileged"]:
            self._user_namespace = _user_namespace_for(config["uid"], config["gid"])
            syscalls.unshare(syscalls.CLONE_NEWNS)
        else:
            uid, gid = os.getuid(), os.getgid()
            syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"0 {uid} 1")
            _write("/proc/self/gid_map", f"0 {gid} 1")
        syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_SLAVE)
        # Opened before /tmp is covered: they may be below it.
        sources = [(os.open(source, os.O_PATH), dest) for source, dest in config["binds"]]
        templates = os.open(config["templates"], os.O_PATH)
        self._bwrap = os.open(config["bwrap"], os.O_PATH)
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("ise", BASE, "tmpfs", flags, "size=1m,nr_inodes=256,mode=755")
        for folder in (ROOT, TEMPLATES, LIVE, CHECK):
            os.mkdir(folder)
        for source, dest in sources:
            syscalls.bind(f"/proc/self/fd/{source}", f"{ROOT}{dest}".rstrip("/"))
            os.close(source)
        syscalls.bind(f"/proc/self/fd/{templates}", TEMPLATES)
        os.close(templates)


def _user_namespace_for(uid: int, gid: int) -> int:
    """Return a user namespace in which that user is root; made by root, so never refused."""
    asked, asks = os.pipe()
    hold, release = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            os.write(asks, b".")
            os.close(release)
            os.read(hold, 1)
            code = 0
        finally:
            os._exit(code)
    os.close(asks)
    os.close(hold)
    try:
        if os.read(asked, 1) != b".":
            raise PermissionError(1, "user namespaces are refused")
        _write(f"/proc/{child}/uid_map", f"0 {uid} 1")
        _write(f"/proc/{child}/gid_map", f"0 {gid} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(release)
        os.close(asked)
        os.waitpid(child, 0)


def _create(path: str, text: str) -> None:
    """Make a file that everybody may read."""
    _write(path, text, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def _write(path: str, text: str, flags: int = os.O_WRONLY) -> None:
    fd = os.open(path, flags, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _remove_groups(groups: list[str]) -> None:
    """Remove control groups as soon as their last process is gone; give up after a while."""
    deadline = time.monotonic() + 5.0
    while groups and time.monotonic() < deadline:
        left = []
        for group in groups:
            try:
                os.rmdir(group)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(group)
        groups = left
        time.sleep(0.01)


# --- each workspace, in its own process -------------------------------------------------------


def _child(
    config: dict[str, Any],
    user_namespace: int,
    bwrap: int,
    request: dict[str, Any],
    fds: list[int],
) -> None:
    """Set a workspace up and become bubblewrap; never returns."""
    control, status, errors = fds[:3]
    try:
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        for fd in fds[3 : 3 + len(request["groups"])]:
            os.write(fd, b"0")
        os.setsid()
        tree = _mount(config, request, fds)
        _report(status, tree)
        os.dup2(control, 0)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        os.dup2(errors, 2)
        if config["privileged"]:
            os.setgroups([])
            syscalls.setns(user_namespace, syscalls.CLONE_NEWUSER)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
        base = request["base"]
        os.chdir("/")
        argv = ["bwrap", *config["arguments"]]
        argv += ["--bind", f"{base}/tree/workspace", "/workspace"]
        argv += ["--bind", f"{base}/tree/home/agent", "/home/agent"]
        argv += ["--bind", f"{base}/tmp", "/tmp", "--bind", f"{base}/run", "/run"]
        argv += ["--bind", f"{base}/shm", "/dev/shm", "--remount-ro", "/dev"]
        if request["hosts"]:
            argv += ["--ro-bind", f"{base}/hosts", "/etc/hosts"]
        if config["seccomp"]:
            argv += ["--seccomp", str(_holding(config["seccomp"]))]
        argv += ["--", *config["program"]]
        os.execve(f"/proc/self/fd/{bwrap}", argv, {})
    except BaseException as error:  # noqa: BLE001 - it all goes to the host
        code = error.errno if isinstance(error, OSError) else 0
        text = getattr(error, "strerror", None) or str(error)
        answer = {"errno": code or 0, "error": f"{type(error).__name__}: {text}"}
        socket.socket(fileno=status).sendall(wire.encode(answer))
    finally:
        os._exit(1)


def _holding(data: bytes) -> int:
    """Return a descriptor, to be inherited, from which some kilobytes can be read."""
    source, sink = os.pipe()
    os.write(sink, data)
    os.close(sink)
    os.set_inheritable(source, True)
    return source


def _mount(config: dict[str, Any], request: dict[str, Any], fds: list[int]) -> str:
    base = request["base"]
    if request["frozen"]:
        syscalls.setns(fds[-1], syscalls.CLONE_NEWNS)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    owner = (config["uid"], config["gid"]) if config["privileged"] else (0, 0)
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    disk = f"size={request['disk_bytes']},nr_inodes={request['inodes']},mode=755"
    syscalls.mount("ise", base, "tmpfs", flags, disk)
    for folder in ("tree", "tree/home", "tmp", "run", "shm"):
        os.mkdir(f"{base}/{folder}", 0o755)
    if request["hosts"]:
        _create(f"{base}/hosts", request["hosts"])
    for folder in ("tree/workspace", "tree/home/agent"):
        _directory(f"{base}/{folder}", 0o755, owner)
    if request["lower"]:
        _lay(request["lower"], base, owner, config["privileged"])
    small = f"size={request['tmp_bytes']},nr_inodes={request['inodes']},mode=1777"
    for folder in ("tmp", "run", "shm"):
        syscalls.mount("ise", f"{base}/{folder}", "tmpfs", flags, small)
    return f"{base}/tree"


def _directory(path: str, mode: int, owner: tuple[int, int]) -> None:
    os.mkdir(path, mode)
    os.chown(path, *owner)


def _lay(lower: str, base: str, owner: tuple[int, int], privileged: bool) -> None:
    """Show `lower` as the workspace, with changes going to the tmpfs: an overlay, or a copy."""
    target = f"{base}/tree/workspace"
    _directory(f"{base}/upper", stat.S_IMODE(os.stat(lower).st_mode), owner)
    _directory(f"{base}/work", 0o700, owner)
    options = f"lowerdir={lower},upperdir={base}/upper,workdir={base}/work"
    try:
        if not privileged:
            # Without user attributes an overlay cannot mark a directory as replaced.
            os.setxattr(f"{base}/upper", "user.ise", b"")
            options += ",userxattr"
        syscalls.mount("ise", target, "overlay", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
    except OSError:
        # Kernels before 6.6 for ordinary users; an overlay upon two overlays for anybody.
        argv = ["cp", "-a", "--no-target-directory", lower, target]
        pid = os.posix_spawn("/bin/cp", argv, {"PATH": "/usr/bin:/bin"})
        if os.waitpid(pid, 0)[1] != 0:
            raise OSError(0, "the template cannot be copied: does it fit the disk limit?") from None


def _report(status: int, tree: str) -> None:
    fds = [
        os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC),
        os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC),
        os.pidfd_open(os.getpid()),
    ]
    sender = socket.socket(fileno=os.dup(status))
    socket.send_fds(sender, [wire.encode({"pid": os.getpid()})], fds)
    sender.close()
    for fd in fds:
        os.close(fd)


def main() -> None:
    """Serve the socket that is standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Spawner(socket.socket(fileno=os.dup(0))).serve()
