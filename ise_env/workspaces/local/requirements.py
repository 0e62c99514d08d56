"""What the local backend needs of a machine, whether it is there, and the mend.

Beyond looking at files, a workspace is started and asked what holds inside: a namespace that
may be made is worth nothing where a mount in it is refused.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from ise_env.errors import IseError
from ise_env.workspaces.protocol import Completed, Limits, Requirement, SeedFile, Workspace

PROGRAMS = ("bash", "git", "jq", "tar", "zip", "unzip", "sqlite3", "awk", "sed", "patch", "diff")
"""What task kits and people expect inside; a missing one rules out some tasks, not all."""

_APPARMOR_PROFILE = (
    "abi <abi/4.0>, include <tunables/global> profile bwrap /usr/bin/bwrap flags=(unconfined) "
    "{ userns, }"
)
_UNFILTERED = "--security-opt seccomp=unconfined"
_FACTS = """
import os, socket
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines() if ":" in l)
disk = os.statvfs("/workspace")
print(os.getuid(), status["Seccomp"].strip(), status["NoNewPrivs"].strip())
print(disk.f_blocks * disk.f_frsize, disk.f_files)
print(*(name for _, name in socket.if_nameindex()))
print(next(l.split()[2] for l in open("/proc/mounts") if l.split()[1] == "/workspace"))
"""


def bubblewrap() -> Requirement:
    """Look for bwrap and the options that its version has."""
    path = shutil.which("bwrap")
    if path is None:
        install = "apt-get install bubblewrap (or dnf, pacman, apk: the same name)"
        return Requirement("bubblewrap", "unavailable", "bwrap is not on PATH", install)
    result = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    version = result.stdout.strip().removeprefix("bubblewrap ")
    numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
    if numbers < [0, 4]:
        how = f"{path} is version {version or '?'}, which lacks options that are needed"
        return Requirement("bubblewrap", "unavailable", how, "install bubblewrap 0.4 or later")
    note = "" if has_option(path, "--disable-userns") else "; without --disable-userns"
    return Requirement("bubblewrap", "enforced", f"{path} {version}{note}")


def has_option(bwrap: str, option: str) -> bool:
    """Whether this bubblewrap knows an option."""
    result = subprocess.run([bwrap, "--help"], capture_output=True, text=True, check=False)
    return option in result.stdout + result.stderr


def refused(error: Exception) -> Requirement:
    """Say that no workspace can be started, and what to do about it."""
    return Requirement("namespaces", "unavailable", str(error), mend(str(error)))


def trial(create: Callable[..., Workspace], degraded: tuple[str, ...]) -> list[Requirement]:
    """Start a workspace and ask what holds inside."""
    try:
        workspace = create(
            template=[SeedFile("probe", b"")], allow_degraded=degraded, owner="probe"
        )
    except IseError as error:
        return [refused(error)]
    try:
        facts = workspace.run(["python3", "-c", _FACTS], timeout_s=30)
        found = workspace.run(f"for p in {' '.join(PROGRAMS)}; do command -v $p; done")
    finally:
        workspace.close()
    assert isinstance(facts, Completed)
    assert isinstance(found, Completed)
    if facts.exit_code != 0:
        text = facts.output.decode("utf-8", "replace").strip().rpartition("\n")[2]
        how = f"the Python inside does not work: {text}"
        return [Requirement("python", "unavailable", how, "apt-get install python3")]
    lines = facts.output.decode().splitlines()
    return [*_facts(lines), _programs(found.output.decode())]


def _facts(lines: list[str]) -> Iterator[Requirement]:
    uid, filtered, no_new = lines[0].split()
    size, inodes = (int(field) for field in lines[1].split())
    limits = Limits()
    yield Requirement("namespaces", "enforced", "user, mount, pid, network, ipc, uts, cgroup")
    yield Requirement("python", "enforced", "runs inside")
    host = "the dedicated user" if os.geteuid() == 0 else f"uid {os.geteuid()} outside"
    yield _holds("uid", uid == "1000" and no_new == "1", f"1000 inside, {host}, no_new_privs")
    yield _holds("disk", size <= limits.disk_bytes, "size of a tmpfs")
    yield _holds("inodes", inodes <= limits.inodes, "nr_inodes of the same tmpfs")
    yield _holds("network", lines[2].split() == ["lo"], "a namespace with nothing but loopback")
    yield Requirement("open_files", "enforced", "RLIMIT_NOFILE")
    yield Requirement("output", "enforced", "head and tail kept, the rest drained and counted")
    yield Requirement("time", "enforced", "deadlines inside, a watchdog on this side")
    if lines[3] == "overlay":
        yield Requirement("overlay", "enforced", "upper layer on the size-capped tmpfs")
    else:
        yield Requirement(
            "overlay",
            "degraded",
            "templates are copied into each workspace: this kernel's tmpfs has no user "
            "attributes, or overlays are stacked too deep",
            "run as root, or on Linux 6.6 or later, or keep ISE_STATE_DIR on a plain file system",
        )
    if filtered != "2":
        yield Requirement("filter", "unavailable", "the seccomp filter is not active inside")


def _holds(name: str, holds: bool, how: str) -> Requirement:
    if holds:
        return Requirement(name, "enforced", how)
    return Requirement(name, "unavailable", f"does not hold inside: {how}", "report this")


def _programs(found: str) -> Requirement:
    there = {line.rpartition("/")[2] for line in found.splitlines()}
    missing = [name for name in PROGRAMS if name not in there]
    if not missing:
        return Requirement("programs", "enforced", " ".join(PROGRAMS))
    how = f"missing inside: {' '.join(missing)}; tasks that need them are not sampled"
    packages = " ".join({"awk": "gawk", "diff": "diffutils"}.get(n, n) for n in missing)
    return Requirement("programs", "degraded", how, f"apt-get install {packages}")


# --- when no sandbox can be started -----------------------------------------------------------


def _sysctl(name: str) -> str:
    try:
        return Path("/proc/sys", *name.split(".")).read_text().strip()
    except OSError:
        return ""


def in_container() -> str:
    """Return what kind of container this process is in; empty for none that is known."""
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if Path("/run/.containerenv").exists():
        return "podman"
    if Path("/.dockerenv").exists():
        return "docker"
    return ""


def mend(error: str) -> str:
    """Say what a person can do when the kernel refuses a sandbox."""
    if _sysctl("user.max_user_namespaces") == "0":
        return "sysctl -w user.max_user_namespaces=15000"
    container = in_container()
    if container == "kubernetes":
        return (
            "in the pod: securityContext: {privileged: true}, or a node that allows "
            "hostUsers: false with seccompProfile: {type: Unconfined}, procMount: Unmasked and "
            "appArmorProfile: {type: Unconfined}"
        )
    if container:
        unmasked = "unmask=ALL" if container == "podman" else "systempaths=unconfined"
        options = f"--security-opt {unmasked} --security-opt apparmor=unconfined"
        needed = "" if container == "podman" and os.geteuid() == 0 else _UNFILTERED
        if os.geteuid() == 0:
            needed = f"--cap-add SYS_ADMIN {needed}".rstrip()
        return f"{container} run {needed} {options} ... (or --privileged, which limits memory too)"
    if os.geteuid() != 0:
        if _sysctl("kernel.unprivileged_userns_clone") == "0":
            return "sysctl -w kernel.unprivileged_userns_clone=1, or run as root"
        if _sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1":
            return (
                "run as root; or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; or "
                f"AppArmor profiles for bwrap and for this Python, like: {_APPARMOR_PROFILE}"
            )
    if any(word in error for word in ("bwrap", "mount", "unshare", "namespace")):
        return "run as root, or where user and mount namespaces are allowed"
    return "ise doctor says more"
