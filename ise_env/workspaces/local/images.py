"""Prepared root directories: a distribution of its own under a name, instead of host binds.

A workspace on an image sees nothing of the host's `/usr`, so runs on different machines see
the same programs. `build` makes one with debootstrap; any directory with a root file system
and a Python of 3.10 or later will do, for instance an exported container image.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ise_env.errors import ConfigError, WorkspaceError
from ise_env.workspaces.local import owners

MANIFEST = "ise-image.json"
PACKAGES = (
    *("bash", "coreutils", "diffutils", "file", "findutils", "gawk", "git", "grep", "jq", "less"),
    *("patch", "procps", "python3", "python3-pytest", "sed", "sqlite3", "tar", "unzip", "zip"),
    *("netbase", "xz-utils", "bzip2"),
)
"""What an image holds beside debootstrap's minimal base."""

_TEXTS = ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man")


def build(
    name: str,
    state: Path,
    *,
    packages: Sequence[str] = (),
    suite: str = "",
    mirror: str = "",
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """Make a root directory with debootstrap; takes a minute and 300 MB.

    Args:
        name: What it is called afterwards: `local:<name>`.
        state: State directory.
        packages: Debian packages beside `PACKAGES`.
        suite: Release, such as `bookworm`; the host's own when empty.
        mirror: Where packages come from; what apt uses here when empty.
        say: Is given debootstrap's lines.

    Returns:
        The directory.

    Raises:
        ConfigError: The name is taken or no file name, or something that is needed is missing.
        WorkspaceError: debootstrap failed.
    """
    place = _free_place(name, state)
    program = shutil.which("debootstrap")
    if program is None:
        raise ConfigError("debootstrap is not installed: apt-get install debootstrap")
    if os.geteuid() != 0:
        raise ConfigError("building an image needs root: sudo ise image build ...")
    host_suite, host_mirror = _host_release()
    suite, mirror = suite or host_suite, mirror or host_mirror
    if not suite:
        raise ConfigError("this host's release is not known to be Debian's or Ubuntu's: give one")
    chosen = sorted({*PACKAGES, *packages})
    work = place.with_name(owners.label(f"{name}-{time.monotonic_ns()}"))
    work.mkdir()
    work.chmod(0o755)
    command = [program, "--variant=minbase", f"--include={','.join(chosen)}"]
    if "ubuntu" in mirror:
        command.append("--components=main,universe")
    command += [suite, str(work), *([mirror] if mirror else [])]
    try:
        _debootstrap(command, work, say)
        _settle(work, {"suite": suite, "packages": chosen})
        work.rename(place)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def _free_place(name: str, state: Path) -> Path:
    if not name or name.startswith(("-", ".")) or "/" in name or owners.is_label(name):
        raise ConfigError(f"an image cannot be called {name!r}")
    place = state / "images" / name
    if place.exists():
        raise ConfigError(f"there is an image {name!r} already, in {place}: remove it first")
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _host_release() -> tuple[str, str]:
    """Return the code name of this host's release, and the mirror that its apt uses."""
    release = {}
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition("=")
        release[key] = value.strip('"')
    suite = release.get("VERSION_CODENAME", "") if release.get("ID") in ("debian", "ubuntu") else ""
    if not suite or shutil.which("apt-get") is None:
        return suite, ""
    command = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        codename, _, address = line.partition(" ")
        if codename == suite:
            return suite, address
    return suite, ""


def _debootstrap(command: list[str], work: Path, say: Callable[[str], None]) -> None:
    last = ""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.strip() or last
            say(line.rstrip())
    if process.returncode != 0:
        log = work / "debootstrap" / "debootstrap.log"  # gone with the directory
        said = log.read_text(errors="replace").splitlines() if log.exists() else []
        reason = " / ".join([last, *said[-3:]])
        raise WorkspaceError(f"debootstrap failed ({process.returncode}): {reason}", retryable=True)


def _settle(work: Path, manifest: dict[str, object]) -> None:
    """Add what workspaces need, and drop what only takes room or differs between builds."""
    for folder in _TEXTS:
        shutil.rmtree(work / folder, ignore_errors=True)
        (work / folder).mkdir(parents=True, exist_ok=True)
    prepare(work)
    packages = work / "var/lib/dpkg/status"
    digest = hashlib.sha256(packages.read_bytes() if packages.exists() else b"").hexdigest()
    (work / MANIFEST).write_text(json.dumps({**manifest, "digest": digest}, indent=1) + "\n")


def prepare(root: Path) -> None:
    """Make a root file system fit for workspaces: mount points, `/etc`, the user.

    Raises:
        ConfigError: It has no Python that can run the process inside.
    """
    from ise_env.workspaces.local import root as roots

    python(root)
    for name in (*roots.MOUNT_POINTS, "etc"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, text in roots.ETC.items():
        target = root / "etc" / name
        if name in ("passwd", "group") and target.exists():
            lines = [line for line in target.read_text().splitlines() if line]
            known = {line.partition(":")[0] for line in lines}
            fresh = [line for line in text.splitlines() if line.partition(":")[0] not in known]
            text = "\n".join([*lines, *fresh]) + "\n"
        if target.is_symlink():
            target.unlink()
        target.write_text(text)


def python(root: Path) -> str:
    """Return the path of the Python of a root file system, as seen inside.

    Raises:
        ConfigError: There is none of 3.10 or later.
    """
    for folder in ("usr/bin", "usr/local/bin"):
        link = root / folder / "python3"
        if link.is_symlink() or link.exists():
            name = os.readlink(link) if link.is_symlink() else "python3"
            version = os.path.basename(name).removeprefix("python3.")
            if version.isdecimal() and int(version) >= 10:
                return f"/{folder}/{os.path.basename(name)}"
    raise ConfigError(f"{root} has no Python 3.10 or later in /usr/bin or /usr/local/bin")


def find(name: str, state: Path) -> Path:
    """Return the directory of an image by its name, or by its path.

    Raises:
        ConfigError: There is none.
    """
    path = Path(name) if name.startswith("/") else state / "images" / name
    if not (path / "usr").is_dir():
        known = sorted(p.name for p in (state / "images").glob("*") if not owners.is_label(p.name))
        there = f"there are: {', '.join(known)}" if known else "ise image build makes one"
        raise ConfigError(f"no workspace image {name!r} ({path}); {there}")
    missing = [
        folder for folder in ("workspace", "home/agent", "opt/ise") if not (path / folder).is_dir()
    ]
    if missing:
        raise ConfigError(
            f"{path} lacks /{' and /'.join(missing)}: run ise image prepare {path} once"
        )
    return path


def digest(path: Path) -> str:
    """Name an image by its manifest, or by where it is and when it was made."""
    manifest = path / MANIFEST
    if manifest.is_file():
        text = manifest.read_bytes()
    else:
        text = f"{path} {path.stat().st_mtime_ns}".encode()
    return hashlib.sha256(text).hexdigest()[:16]


def abandoned(state: Path) -> list[Path]:
    """Return images whose building was broken off."""
    folder = state / "images"
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if owners.is_label(name) and not owners.alive(name)]
