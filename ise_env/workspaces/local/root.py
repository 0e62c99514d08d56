"""The root directory that local workspaces share: host programs, a synthetic `/etc`.

Never the whole host: `/usr` and what belongs to it, read-only, without `/usr/local`; the few
files of `/etc` that programs need and that say nothing about this machine; and the program
that runs inside, compiled by the Python that will run it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ise_env.errors import WorkspaceError
from ise_env.workspaces.local import images, owners
from ise_env.workspaces.protocol import HOME, USER, WORKDIR

INSIDE = "/opt/ise"
"""Where the first process is loaded from."""

HOSTNAME = "workspace"

_EMPTY_LOCAL = "opt/ise/usr-local"
"""Laid over the host's `/usr/local`."""

MOUNT_POINTS = ("workspace", "home/agent", "opt/ise", "dev", "proc", "run", "tmp")
"""What every root must have, prepared images included."""

_EMPTY_DIRECTORIES = (
    *("dev", "proc", "run", "tmp", "root", "mnt", "opt", "srv", "media", "var/tmp", "var/log"),
    *("var/lib", "var/cache", "usr", "etc/alternatives", "etc/ssl"),
)
_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_COPIED_ETC = (
    *("debian_version", "host.conf", "ld.so.conf", "ld.so.cache", "login.defs", "magic"),
    *("magic.mime", "mime.types", "protocols", "services", "shells", "inputrc", "rpc"),
)
_BOUND_ETC = ("alternatives", "fonts", "ImageMagick-6", "ImageMagick-7", "terminfo")
_BOUND_ETC_PREFIXES = ("python3", "java-", "perl")

ETC = {
    "passwd": (
        "root:x:0:0:root:/root:/bin/bash\n"
        f"{USER}:x:1000:1000:Agent:{HOME}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "group": f"root:x:0:\ntty:x:5:\n{USER}:x:1000:\nnogroup:x:65534:\n",
    "hostname": f"{HOSTNAME}\n",
    "hosts": f"127.0.0.1\tlocalhost {HOSTNAME}\n::1\tlocalhost ip6-localhost\n",
    "resolv.conf": "# no network\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
    "protocols: files\nservices: files\n",
    "timezone": "Etc/UTC\n",
    "gitconfig": (
        "[user]\n\tname = Agent\n\temail = agent@workspace.invalid\n"
        "[init]\n\tdefaultBranch = main\n[safe]\n\tdirectory = *\n"
        "[advice]\n\tdetachedHead = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    ),
}


@dataclass(frozen=True)
class Root:
    """What becomes `/` in every workspace."""

    binds: tuple[tuple[str, str], ...]
    """Host path and place inside, in order; the first is the skeleton on `/`."""
    python: str
    """The interpreter, as seen inside."""
    environment: tuple[tuple[str, str], ...]
    """What commands get besides what the caller adds."""
    digest: str
    """Of everything above, for the trajectory."""


def hosts(names: Sequence[str]) -> str:
    """`/etc/hosts` of a workspace in which more names mean itself; empty if there are none."""
    return ETC["hosts"] + "".join(f"127.0.0.1\t{name}\n" for name in names) if names else ""


def state_directory() -> Path:
    """Return where roots and templates are kept: `$ISE_STATE_DIR`, or the user's cache."""
    chosen = os.environ.get("ISE_STATE_DIR")
    if chosen:
        path = Path(chosen)
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        path = Path(base) / "ise-env"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkspaceError(
            f"cannot write to {path} ({error.strerror}): set ISE_STATE_DIR to a directory that "
            "may hold workspace roots and templates"
        ) from error
    return path


def host_root(state: Path) -> Root:
    """Make, or find, the root made of this host's programs."""
    interpreter, python_binds = _python()
    binds = [("/usr", "/usr")]
    binds += [(f"/{name}", f"/{name}") for name in _MERGED if _is_real_directory(f"/{name}")]
    binds += [(f"/etc/{name}", f"/etc/{name}") for name in _etc_directories()]
    binds += python_binds
    digest = _digest(binds, interpreter)
    skeleton = state / "roots" / digest
    if not skeleton.is_dir():
        _install(skeleton, lambda work: _fill(work, binds, interpreter))
    mounts = [(str(skeleton), "/"), *binds, (str(skeleton / _EMPTY_LOCAL), "/usr/local")]
    if not os.path.isdir("/usr/local"):
        mounts.pop()
    return Root(tuple(mounts), interpreter, environment(interpreter), digest)


def abandoned(state: Path) -> list[Path]:
    """Return roots whose making was broken off."""
    folder = state / "roots"
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if owners.is_label(name) and not owners.alive(name)]


def _is_real_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _etc_directories() -> list[str]:
    names = [name for name in _BOUND_ETC if os.path.isdir(f"/etc/{name}")]
    for name in sorted(os.listdir("/etc")):
        if name.startswith(_BOUND_ETC_PREFIXES) and os.path.isdir(f"/etc/{name}"):
            names.append(name)
    return names


def _distribution_python() -> str | None:
    for name in ("python3", *(f"python3.{minor}" for minor in range(20, 9, -1))):
        path = os.path.realpath(f"/usr/bin/{name}")
        minor = path.removeprefix("/usr/bin/python3.")
        if minor.isdecimal() and int(minor) >= 10 and os.access(path, os.X_OK):
            return path
    return None


def _python() -> tuple[str, list[tuple[str, str]]]:
    """Find the interpreter for the inside: the distribution's, or else the one that runs us."""
    found = _distribution_python()
    if found is not None:
        return found, []
    prefix = os.path.realpath(sys.base_prefix)
    version = f"python3.{sys.version_info.minor}"
    binds = [(f"{prefix}/{part}", f"/opt/python/{part}") for part in ("bin", "lib")]
    return f"/opt/python/bin/{version}", binds


def environment(interpreter: str) -> tuple[tuple[str, str], ...]:
    """Return what commands get besides what their caller adds."""
    path = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/usr/sbin:/sbin"
    path = f"{HOME}/.local/bin:{path}"  # as Debian's ~/.profile does
    environment = {
        "HOME": HOME,
        "LANG": "C.UTF-8",
        "LOGNAME": USER,
        "PATH": path,
        "SHELL": "/bin/bash",
        "TERM": "dumb",
        "TZ": "UTC",
        "USER": USER,
    }
    if interpreter.startswith("/opt/python/"):
        environment["PATH"] = f"/opt/python/bin:{path}"
    return tuple(environment.items())


def _sources() -> list[Path]:
    return sorted((Path(__file__).parent.parent / "inside").glob("*.py"))


def _digest(binds: list[tuple[str, str]], interpreter: str) -> str:
    """Name a root by everything that makes a difference inside."""
    summary = hashlib.sha256()
    for text in (repr(binds), interpreter, repr(ETC), repr(_EMPTY_DIRECTORIES), repr(_COPIED_ETC)):
        summary.update(text.encode())
    for path in (*_sources(), *(Path("/etc") / name for name in _COPIED_ETC)):
        summary.update(path.read_bytes() if path.is_file() else b"-")
    for path in (Path("/usr/lib/os-release"), Path("/usr/bin/python3")):
        summary.update(path.read_bytes() if path.is_file() else b"-")
    return summary.hexdigest()[:16]


def _install(place: Path, fill: Callable[[Path], None]) -> None:
    """Put a directory into its place at once, filled, readable by everybody."""
    place.parent.mkdir(parents=True, exist_ok=True)
    work = place.parent / owners.label(f"{place.name}-{time.monotonic_ns()}")
    work.mkdir()
    try:
        fill(work)
        for folder, folders, names in os.walk(work):
            for name in (".", *folders, *names):
                path = os.path.join(folder, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o755 if os.path.isdir(path) else 0o644)
        try:
            work.rename(place)
        except OSError:  # another process was faster
            if not place.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fill(work: Path, binds: list[tuple[str, str]], interpreter: str) -> None:
    inside = [place for _, place in binds]
    for name in (*_EMPTY_DIRECTORIES, WORKDIR[1:], HOME[1:], *(place[1:] for place in inside)):
        (work / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "etc", "games", "include", "lib", "sbin", "share", "src"):
        (work / _EMPTY_LOCAL / name).mkdir(parents=True, exist_ok=True)
    for name in _MERGED:
        if os.path.islink(f"/{name}"):
            (work / name).symlink_to(os.readlink(f"/{name}"))
    for name, text in ETC.items():
        (work / "etc" / name).write_text(text)
    for name in _COPIED_ETC:
        if os.path.isfile(f"/etc/{name}"):
            shutil.copyfile(f"/etc/{name}", work / "etc" / name)
    (work / "etc/localtime").symlink_to("/usr/share/zoneinfo/Etc/UTC")
    (work / "etc/os-release").symlink_to("../usr/lib/os-release")
    (work / "etc/mtab").symlink_to("../proc/self/mounts")
    (work / "var/run").symlink_to("/run")
    _compile(work, [_outside(interpreter, binds)], str(work))


_COMPILER = """
import py_compile, sys
for path in sys.argv[2:]:
    py_compile.compile(path, path + "c", path[len(sys.argv[1]):], doraise=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def _compile(work: Path, python: list[str], seen_as: str) -> None:
    """Compile the program with the interpreter that will run it; another's would be refused.

    Args:
        work: Root that gets it.
        python: Command that runs the interpreter.
        seen_as: Where that command sees `work`.
    """
    package = work / INSIDE[1:] / "inside"
    package.mkdir(parents=True, exist_ok=True)
    boot = work / INSIDE[1:] / "boot.py"
    boot.write_text(
        f'import sys\nsys.path.insert(0, "{INSIDE}")\nimport inside.executor\n'
        "inside.executor.main()\n"
    )
    for source in _sources():
        shutil.copyfile(source, package / source.name)
    paths = [boot, *(package / source.name for source in _sources())]
    seen = [f"{seen_as}{str(path)[len(str(work)) :]}" for path in paths]
    command = [*python, "-I", "-S", "-c", _COMPILER, seen_as, *seen]
    result = subprocess.run(command, capture_output=True, text=True, env={}, check=False)
    if result.returncode != 0:
        raise WorkspaceError(f"{python[-1]} cannot compile the workspace program: {result.stderr}")
    for path in paths:
        path.unlink()


def _outside(interpreter: str, binds: list[tuple[str, str]]) -> str:
    """Return the host's path of an interpreter that is known by its path inside."""
    for host, place in binds:
        if place.startswith("/opt/") and interpreter.startswith(f"{place}/"):
            return f"{host}{interpreter[len(place) :]}"
    return interpreter


# --- prepared images --------------------------------------------------------------------------


def image_root(state: Path, name: str, bwrap: str) -> Root:
    """Make a root of a prepared image; only the program inside is added to it."""
    image = images.find(name, state)
    interpreter = images.python(image)
    summary = hashlib.sha256(images.digest(image).encode())
    for path in _sources():
        summary.update(path.read_bytes())
    digest = summary.hexdigest()[:16]
    program = state / "roots" / digest
    if not program.is_dir():
        python = [bwrap, "--ro-bind", str(image), "/", "--bind", "{work}", "/mnt", "--proc"]
        python += ["/proc", "--dev", "/dev", "--unshare-all", interpreter]
        _install(program, lambda work: _compile(work, [_named(w, work) for w in python], "/mnt"))
    binds = ((str(image), "/"), (str(program / INSIDE[1:]), INSIDE))
    return Root(binds, interpreter, environment(interpreter), digest)


def _named(word: str, work: Path) -> str:
    return str(work) if word == "{work}" else word
