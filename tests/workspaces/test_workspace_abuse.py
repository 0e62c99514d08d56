"""What an agent may try, for every backend: each case says what contained it.

After each, a neighbour, a file of the host and the template that both started from are
looked at: unchanged.
"""

from __future__ import annotations

import errno
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ise_env.workspaces.protocol import (
    Backend,
    Completed,
    Limits,
    Probe,
    Running,
    SeedFile,
    Workspace,
    WorkspaceGone,
)

Make = Callable[..., Workspace]

MIB = 2**20
SMALL = Limits(
    memory_bytes=160 * MIB,
    disk_bytes=16 * MIB,
    tmp_bytes=8 * MIB,
    pids=40,
    inodes=2_000,
    open_files=256,
)
SECRET = "ise-test-secret-5dbd1c"
TEMPLATE = [SeedFile("shared/one", b"1" * 100), SeedFile("shared/two", b"2"), SeedFile("top", b"3")]


def done(result: Completed | Running) -> Completed:
    assert isinstance(result, Completed)
    return result


def shell(workspace: Workspace, command: str, **options: object) -> str:
    return done(workspace.run(command, **options)).output.decode("utf-8", "replace")  # type: ignore[arg-type]


def python(workspace: Workspace, script: str, **options: object) -> str:
    result = done(workspace.run(["python3", "-c", script], **options))  # type: ignore[arg-type]
    return result.output.decode("utf-8", "replace")


@dataclass
class Bystanders:
    neighbour: Workspace
    host_file: Path
    template: str
    template_archive: bytes


@pytest.fixture(scope="module")
def bystanders(
    backend: Backend, weak: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bystanders]:
    os.environ["ISE_TEST_SECRET"] = SECRET
    host_file = tmp_path_factory.mktemp("host") / "canary"
    host_file.write_text(SECRET)
    name = backend.prepare(TEMPLATE)
    neighbour = backend.create(template=name, allow_degraded=weak)
    archive = neighbour.archive()
    neighbour.checkpoint()
    neighbour.run("sleep 100000", yield_after_s=0)
    yield Bystanders(neighbour, host_file, name, archive)
    neighbour.close()
    del os.environ["ISE_TEST_SECRET"]


@pytest.fixture(autouse=True)
def unharmed(bystanders: Bystanders, make: Make) -> Iterator[None]:
    yield
    assert bystanders.host_file.read_text() == SECRET
    assert bystanders.neighbour.diff() == []
    assert bystanders.neighbour.sessions()[0].running
    assert shell(bystanders.neighbour, "echo alive") == "alive\n"
    assert make(template=bystanders.template).archive() == bystanders.template_archive


@pytest.fixture
def victim(make: Make, bystanders: Bystanders) -> Workspace:
    return make(limits=SMALL, template=bystanders.template)


def still_works(workspace: Workspace) -> None:
    assert shell(workspace, "echo works", timeout_s=30) == "works\n"


def has_died_out(workspace: Workspace) -> None:
    """Wait for what was killed to be gone: a killed process still needs its turn to end."""
    deadline = time.monotonic() + 20
    while (left := len(shell(workspace, "ps ax").splitlines())) >= 10:
        assert time.monotonic() < deadline, left


def needs(probe: Probe, name: str) -> None:
    if probe[name].status != "enforced":
        pytest.skip(f"{name} is not enforced here: {probe[name].how}")


# --- using things up --------------------------------------------------------------------------


def test_fork_bomb_is_contained_by_the_pids_limit(victim: Workspace, probe: Probe) -> None:
    needs(probe, "pids")
    script = (
        "import os, time\n"
        "n = 0\n"
        "try:\n"
        "    while n < 300:\n"
        "        if os.fork() == 0: time.sleep(100)\n"
        "        n += 1\n"
        "except BlockingIOError: pass\n"
        "print(n, flush=True)\n"
        "os.kill(0, 9)\n"
    )
    result = done(victim.run(["python3", "-c", script], timeout_s=20))
    assert int(result.output) <= SMALL.pids
    victim.run(":(){ :|:& };:; sleep 30", timeout_s=1.0)
    still_works(victim)
    has_died_out(victim)


def test_fork_bomb_of_a_session_ends_with_it(victim: Workspace, probe: Probe) -> None:
    needs(probe, "pids")
    running = victim.run("setsid bash -c 'while :; do bash -c : & done'", yield_after_s=0)
    assert isinstance(running, Running)
    deadline = time.monotonic() + 20
    while (
        int("".join(filter(str.isdecimal, shell(victim, "ps ax | wc -l"))) or 99) < 10
        and time.monotonic() < deadline
    ):
        pass  # until it has grown, or nothing else can be started any more
    victim.forget(running.session)
    still_works(victim)
    has_died_out(victim)


def test_memory_bomb_is_contained_by_the_memory_limit(victim: Workspace, probe: Probe) -> None:
    needs(probe, "memory")
    result = done(victim.run(["python3", "-c", "x = bytearray(2**30); print('got it')"]))
    assert b"got it" not in result.output
    assert result.signal == 9
    still_works(victim)


def test_disk_is_contained_by_the_size_of_its_tmpfs(victim: Workspace) -> None:
    text = shell(victim, "head -c 100M /dev/zero > big; echo x > ~/x")
    assert text.count("No space left") == 2
    assert victim.stat("big").size <= SMALL.disk_bytes
    with pytest.raises(OSError, match="space"):
        victim.write("more", b"x" * 100_000)
    shell(victim, "rm big")
    victim.write("more", b"x" * 100_000)


def test_inodes_are_contained_by_the_tmpfs(victim: Workspace) -> None:
    script = (
        "n = 0\n"
        "try:\n"
        "    while n < 50000:\n"
        "        open(f'f{n}', 'w').close(); n += 1\n"
        "except OSError as e: print(n, e.errno)\n"
    )
    count, number = python(victim, script).split()
    assert int(count) <= SMALL.inodes
    assert int(number) == errno.ENOSPC
    assert len(victim.diff()) >= int(count)


@pytest.mark.parametrize("place", ["/tmp", "/run", "/dev/shm", "/dev", "/var/tmp", "/etc", "/"])
def test_other_places_are_small_or_read_only(victim: Workspace, place: str) -> None:
    text = shell(victim, f"head -c 100M /dev/zero > {place}/big; stat -c '%s' {place}/big")
    assert "No space left" in text or "Read-only" in text or "Permission denied" in text
    still_works(victim)


def test_everything_full_at_once_leaves_memory_to_work_with(victim: Workspace) -> None:
    places = "/workspace ~ /tmp /run /dev/shm"
    shell(victim, f"for p in {places}; do head -c 50M /dev/zero > $p/big; done")
    still_works(victim)
    assert python(victim, "print(len(bytearray(30_000_000)))") == "30000000\n"


@pytest.mark.parametrize("gib", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_stdout_flood_leaves_the_host_flat(victim: Workspace, gib: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = done(victim.run(f"head -c {gib}G /dev/zero", timeout_s=120))
    assert result.total == gib * 2**30
    assert len(result.output) <= SMALL.output_bytes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_stderr_flood_and_endless_yes(victim: Workspace) -> None:
    result = done(victim.run("head -c 50M /dev/zero >&2; echo end", timeout_s=120))
    assert result.total == 50 * MIB + 4
    assert result.output.endswith(b"end\n")
    endless = done(victim.run("yes", timeout_s=0.5))
    assert endless.timed_out
    assert endless.omitted + len(endless.output) == endless.total
    still_works(victim)


def test_background_flood_is_kept_in_a_ring(victim: Workspace) -> None:
    running = victim.run("yes", yield_after_s=0)
    assert isinstance(running, Running)
    view = victim.poll(running.session, wait_s=5)
    deadline = time.monotonic() + 20
    while view.omitted == 0 and time.monotonic() < deadline:
        view = victim.poll(running.session, wait_s=1)
    assert view.omitted > 0
    assert len(view.output) <= SMALL.output_bytes
    victim.forget(running.session)


def test_descriptors_are_contained_by_the_limit(victim: Workspace) -> None:
    script = (
        "import os\n"
        "n = 0\n"
        "try:\n"
        "    while n < 100000: os.dup(0); n += 1\n"
        "except OSError as e: print(n, e.errno)\n"
    )
    count, number = python(victim, script).split()
    assert int(count) < SMALL.open_files
    assert int(number) == errno.EMFILE


def test_huge_arguments_are_refused_by_the_kernel(victim: Workspace) -> None:
    result = done(victim.run(["true", *["x" * 100_000] * 40]))
    assert result.exit_code == 126
    assert b"too long" in result.output
    still_works(victim)


def test_many_sessions_are_forgotten_oldest_first(victim: Workspace) -> None:
    for _ in range(140):
        victim.run("true", yield_after_s=0)
    views = victim.sessions()
    assert len(views) <= 140
    assert views[-1].session == 140
    still_works(victim)


# --- odd files --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "/dev/tty", "/dev/random", "sock"])
def test_what_is_no_file_is_not_read(victim: Workspace, name: str) -> None:
    shell(victim, "mkfifo pipe; python3 -c 'import socket as s; s.socket(1).bind(\"sock\")'")
    started = time.monotonic()
    with pytest.raises(OSError, match=r"regular file|No such device|tty|address"):
        victim.read(name)
    with pytest.raises(OSError, match=r".+"):
        victim.write(name, b"x")
    assert time.monotonic() - started < 10
    frozen = victim.freeze()
    if not name.startswith("/"):
        with pytest.raises(OSError, match=r"regular file|cannot be read"):
            frozen.read(name)


def test_bytes_that_are_no_text(victim: Workspace) -> None:
    assert done(victim.run(r"printf '\xff\x00\xfe'")).output == b"\xff\x00\xfe"
    shell(victim, r"mkdir $'\xff\xfe'; echo x > $'\xff\xfe/n\nl'")
    assert "\udcff\udcfe" in victim.listdir()
    assert victim.read("\udcff\udcfe/n\nl") == b"x\n"
    assert "\udcff\udcfe/n\nl" in {c.path for c in victim.diff()}
    assert victim.freeze().read("\udcff\udcfe/n\nl") == b"x\n"


def test_three_thousand_directories_deep(make: Make) -> None:
    victim = make()
    script = (
        "import os\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('f','w').write('x')"
    )
    assert python(victim, script, timeout_s=60) == ""
    assert len(victim.diff()) == 3001
    assert len(victim.archive()) > 3_000_000
    frozen = victim.freeze()
    path = "/".join(["d"] * 3000)
    assert frozen.walk()[f"{path}/f"].size == 1
    assert frozen.read(f"{path}/f") == b"x"


def test_links_lead_nowhere_outside(victim: Workspace, bystanders: Bystanders) -> None:
    host = str(bystanders.host_file)
    shell(victim, f"ln -s {host} file; ln -s {bystanders.host_file.parent} folder; ln -s / root")
    up = "../" * 30 + host.lstrip("/")
    for path in ("file", "folder/canary", f"root{host}", up, host):
        with pytest.raises(OSError, match="No such file"):
            victim.read(path)
    for path in ("file", "folder/canary"):
        victim.write(path, b"overwritten")  # a file of that name inside, in its own /tmp
    assert SECRET.encode() not in victim.archive()
    frozen = victim.freeze()
    for path in ("file", "folder/canary", f"root{host}", up):
        with pytest.raises(OSError, match=r".+"):
            frozen.read(path)
    with pytest.raises(FileNotFoundError):
        frozen.read("root/etc/passwd")  # what is not of the tree is not there


def test_links_swapped_between_check_and_open(victim: Workspace, bystanders: Bystanders) -> None:
    folder = bystanders.host_file.parent
    script = (
        "import os\n"
        "os.mkdir('real'); open('real/canary','w').write('inside')\n"
        f"os.symlink({str(folder)!r}, 'link')\n"
        "while True:\n"
        "    os.rename('real', 'swap'); os.rename('link', 'real')\n"
        "    os.rename('real', 'link'); os.rename('swap', 'real')\n"
    )
    victim.run(["python3", "-c", script], yield_after_s=0)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        assert SECRET.encode() not in victim.archive()
        victim.diff()
        try:
            assert victim.read("real/canary") in (b"", b"inside")
            victim.write("real/canary", b"inside")
        except OSError:
            pass


# --- processes --------------------------------------------------------------------------------


def test_kill_everything_spares_the_first_process(victim: Workspace) -> None:
    victim.run("sleep 100", yield_after_s=0)
    shell(victim, "kill -9 -1")
    assert victim.poll(1, wait_s=10).signal == 9
    still_works(victim)


@pytest.mark.parametrize("number", ["STOP", "KILL", "TERM", "HUP", "SEGV"])
def test_first_process_takes_no_signals(victim: Workspace, number: str) -> None:
    shell(victim, f"kill -{number} 1")
    still_works(victim)


def test_processes_that_drop_their_mark_are_killed_too(victim: Workspace) -> None:
    script = (
        "import resource, os, time\n"
        "resource.setrlimit(10, (5, 5))\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); time.sleep(1000)\n"
        "time.sleep(1000)\n"
    )
    assert done(victim.run(["python3", "-c", script], timeout_s=0.5)).timed_out
    assert "sleep(1000)" not in shell(victim, "ps ax")


def test_first_process_shows_nothing_of_itself(victim: Workspace) -> None:
    script = (
        "for f in environ mem maps syscall stack auxv; do"
        " head -c 100 /proc/1/$f && echo LEAK; done; ls /proc/1/fd /proc/1/root/ && echo LEAK;"
        " readlink /proc/1/exe /proc/1/cwd && echo LEAK; true"
    )
    text = shell(victim, script)
    assert "LEAK" not in text
    assert text.count("ermission denied") >= 6


def test_no_secret_of_the_host_is_to_be_found(victim: Workspace) -> None:
    text = shell(victim, "cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'; env")
    assert SECRET not in text
    assert "PYTEST" not in text


def test_first_process_cannot_be_traced(victim: Workspace) -> None:
    script = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "for call in (lambda: libc.ptrace(16, 1, 0, 0),\n"  # PTRACE_ATTACH
        "             lambda: libc.ptrace(0x4206, 1, 0, 0),\n"  # PTRACE_SEIZE
        "             lambda: libc.process_vm_readv(1, 0, 0, 0, 0, 0)):\n"
        "    print(call() == -1 and ctypes.get_errno())\n"
    )
    first, second, third = python(victim, script).split()
    assert {int(first), int(second)} <= {errno.EPERM, errno.ESRCH}
    assert third in ("False", str(errno.EPERM))  # nothing asked for, nothing read
    still_works(victim)


def test_terminal_input_cannot_be_faked(victim: Workspace) -> None:
    script = (
        "import fcntl, os\n"
        "for path in ('/dev/tty', '/dev/stdin', '/dev/pts/0', '/dev/console'):\n"
        "    try:\n"
        "        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)\n"
        "        fcntl.ioctl(fd, 0x5412, b'x')\n"
        "        print('LEAK', path)\n"
        "    except OSError as e: print(e.errno)\n"
    )
    assert "LEAK" not in python(victim, script)
    assert "LEAK" not in shell(victim, f'python3 -c "{script}"', pty=True)


CALLS = {
    "io_uring_setup": 425,
    "bpf": 321,
    "keyctl": 250,
    "add_key": 248,
    "userfaultfd": 323,
    "perf_event_open": 298,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "chroot": 161,
    "pivot_root": 155,
    "open_by_handle_at": 304,
    "init_module": 175,
    "kexec_load": 246,
    "open_tree": 428,
    "fsopen": 430,
    "clone3": 435,
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers are those of x86_64")
def test_dangerous_calls_are_refused_by_the_filter(victim: Workspace, probe: Probe) -> None:
    needs(probe, "seccomp")
    script = (
        "import ctypes\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        f"for name, number in {CALLS!r}.items():\n"
        "    ctypes.set_errno(0)\n"
        "    result = libc.syscall(number, 0x10000000, 0, 0, 0, 0, 0)\n"
        "    print(name, result, ctypes.get_errno())\n"
    )
    for line in python(victim, script).splitlines():
        name, result, number = line.split()
        expected = errno.ENOSYS if name == "clone3" else errno.EPERM
        assert (result, int(number)) == ("-1", expected), name


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers are those of x86_64")
def test_calls_the_filter_looks_into(victim: Workspace, probe: Probe) -> None:
    needs(probe, "seccomp")
    script = (
        "import ctypes, socket\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def errno(*call):\n"
        "    ctypes.set_errno(0)\n"
        "    return libc.syscall(*map(ctypes.c_ulong, call)) and ctypes.get_errno()\n"
        "print(errno(56, 0x10000011, 0, 0, 0, 0))\n"  # clone, new user namespace
        "print(errno(41, 40, 1, 0))\n"  # socket, vsock
        "print(errno(41, 38, 5, 0))\n"  # socket, kernel crypto
        "print(errno(41, 16, 3, 15))\n"  # socket, netlink kobject uevents
        "print(errno(16, 0, 0x5412, 0))\n"  # ioctl TIOCSTI
        "print(errno(16, 0, 0x100005412, 0))\n"  # the same to the kernel
        "print(errno(135, 0x0040000))\n"  # personality without address randomisation
        "socket.socket(socket.AF_UNIX); socket.socket(socket.AF_INET6)\n"
    )
    # EPERM from engines whose profiles cannot say otherwise.
    assert set(python(victim, script).split()) <= {str(errno.ENOSYS), str(errno.EPERM)}


def test_namespaces_and_mounts_are_refused(victim: Workspace) -> None:
    for command in (
        "unshare -U true",
        "unshare -Urm true",
        "mount -t tmpfs x /tmp",
        "mount --bind /workspace /usr",
        "umount /proc",
        "mknod d b 8 0",
        "chroot / true",
    ):
        assert done(victim.run(command)).exit_code != 0, command
    assert python(victim, "import os; print(os.path.exists('/proc/sysrq-trigger'))")
    assert "LEAK" not in shell(victim, "echo b > /proc/sysrq-trigger && echo LEAK")


def test_setuid_gains_nothing(victim: Workspace) -> None:
    shell(victim, "cp /usr/bin/id id; chmod 6755 id")
    assert "uid=1000" in shell(victim, "./id")
    assert "euid=0" not in shell(victim, "./id; for f in mount passwd chsh; do $f </dev/null; done")
    status = shell(victim, "cat /proc/self/status")
    assert "NoNewPrivs:\t1" in status
    assert status.count("0000000000000000") >= 4  # no capability of any kind


def test_template_is_not_written(victim: Workspace) -> None:
    shell(victim, "echo evil > shared/one; rm shared/two; chmod 0 top; mv shared s; mkdir shared")
    assert {c.path for c in victim.diff()}  # seen here; `unharmed` looks at the template


# --- the network ------------------------------------------------------------------------------


def test_host_and_network_are_out_of_reach(victim: Workspace, tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0ise-test-{os.getpid()}")
    abstract.listen()
    with server, abstract:
        script = (
            "import socket, os\n"
            "def attempt(name, family, address):\n"
            "    s = socket.socket(family); s.settimeout(3)\n"
            "    try: s.connect(address); print('LEAK', name)\n"
            "    except OSError as e: print(name, e.errno)\n"
            f"attempt('loopback', 2, ('127.0.0.1', {server.getsockname()[1]}))\n"
            "attempt('metadata', 2, ('169.254.169.254', 80))\n"
            "attempt('outside', 2, ('192.0.2.1', 53))\n"
            f"attempt('abstract', 1, '\\0ise-test-{os.getpid()}')\n"
            "for path in ('/var/run/docker.sock', '/run/docker.sock',\n"
            "             '/run/dbus/system_bus_socket'):\n"
            "    attempt(path, 1, path)\n"
            "try: print('LEAK', socket.getaddrinfo('example.com', 80))\n"
            "except OSError: pass\n"
            "print(sorted(n for _, n in socket.if_nameindex()))\n"
        )
        text = python(victim, script, timeout_s=60)
    assert "LEAK" not in text
    assert text.splitlines()[-1] == "['lo']"
    assert f"loopback {errno.ECONNREFUSED}" in text
    assert f"metadata {errno.ENETUNREACH}" in text


def test_neighbours_see_nothing_of_each_other(make: Make) -> None:
    one, two = make(), make()
    for workspace, name in ((one, "one"), (two, "two")):
        shell(
            workspace,
            f"touch /tmp/{name} /dev/shm/{name} ~/{name} {name} /run/{name};"
            f"(exec -a proc-{name} sleep 100) & ipcmk -M 100 >/dev/null",
        )
    for workspace, other in ((one, "two"), (two, "one")):
        text = shell(workspace, "ls -R /tmp /dev/shm /home /workspace /run; ps ax; ipcs -m | wc -l")
        assert other not in text
        assert int(text.split()[-1]) <= 6
    script = "import socket; s=socket.socket(1); s.bind('\\0x'); s.listen(); input()"
    one.run(["python3", "-c", script], yield_after_s=0)
    probe = "import socket; print(socket.socket(1).connect_ex('\\0x'))"
    assert python(two, probe) == f"{errno.ECONNREFUSED}\n"


def test_agent_that_wrecks_its_own_workspace_leaves_a_tree(victim: Workspace) -> None:
    shell(victim, "rm -rf /etc /home /run /tmp /opt /workspace/* /dev 2>/dev/null; echo end")
    victim.write("after", b"x")
    assert victim.freeze().read("after") == b"x"


def test_lost_first_process_leaves_the_tree(victim: Workspace, probe: Probe) -> None:
    """However it came about, the tree can still be frozen and looked at."""
    victim.write("proof", b"x")
    frozen = victim.freeze()
    with pytest.raises(WorkspaceGone):
        victim.write("more", b"y")
    assert frozen.read("proof") == b"x"
