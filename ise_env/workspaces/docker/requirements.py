"""What the Docker backend needs, whether it is there, and the mend.

Beyond what the engine says of itself, a workspace is started and asked what holds inside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ise_env.errors import IseError
from ise_env.workspaces.docker.engine import Engine
from ise_env.workspaces.local.requirements import PROGRAMS
from ise_env.workspaces.protocol import Completed, Limits, Requirement, Workspace

_FACTS = """
import json, os, socket
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines() if ":" in l)
disk = os.statvfs("/workspace")
path = os.environ["PATH"].split(":")
print(json.dumps({
    "uid": os.getuid(), "privileges": status["NoNewPrivs"].strip(),
    "capabilities": int(status["CapBnd"], 16), "filter": status["Seccomp"].strip(),
    "bytes": disk.f_blocks * disk.f_frsize, "inodes": disk.f_files,
    "interfaces": [name for _, name in socket.if_nameindex()],
    "root": os.access("/", os.W_OK) or os.access("/usr", os.W_OK),
    "programs": [p for p in %r if any(os.access(f"{f}/{p}", os.X_OK) for f in path)],
}))
"""


def missing(error: IseError) -> Requirement:
    """Say why no workspace can be made; the error tells the mend."""
    return Requirement("engine", "unavailable", str(error))


def engine(engine: Engine) -> Requirement:
    """Describe the engine."""
    version = engine.call("asking its version", "version")
    how = f"{engine.address}, version {version['Version']}, API {version['ApiVersion']}"
    return Requirement("engine", "enforced", how)


def sockets(*, shared: bool) -> Requirement:
    """Tell whether sockets of a workspace can be handed to the host."""
    if shared:
        return Requirement("sockets", "enforced", "over a unix socket in a shared folder")
    return Requirement(
        "sockets",
        "degraded",
        "descriptors cannot travel from an engine elsewhere: no episodes with services",
        "an engine on this machine, and ISE_STATE_DIR in a folder that it sees, too",
    )


def trial(create: Callable[..., Workspace], weak: tuple[str, ...]) -> list[Requirement]:
    """Start a workspace and ask what holds inside."""
    try:
        workspace = create(allow_degraded=weak, owner="probe")
    except IseError as error:
        return [Requirement("container", "unavailable", str(error), "see the engine's log")]
    try:
        result = workspace.run(["python3", "-c", _FACTS % (PROGRAMS,)], timeout_s=30)
        image = workspace.image
    finally:
        workspace.close()
    assert isinstance(result, Completed)
    if result.exit_code != 0:
        text = result.output.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return [Requirement("python", "unavailable", f"does not work inside: {text}")]
    return [Requirement("image", "enforced", image), *_facts(json.loads(result.output))]


def _facts(found: dict[str, Any]) -> Iterator[Requirement]:
    limits = Limits()
    unprivileged = found["privileges"] == "1" and found["capabilities"] == 0
    yield _holds(
        "uid", found["uid"] == 1000 and unprivileged, "1000, no capabilities, no_new_privs"
    )
    yield _holds("root", not found["root"], "read-only")
    yield _holds("disk", found["bytes"] <= limits.disk_bytes, "size of a tmpfs volume")
    yield _holds("inodes", found["inodes"] <= limits.inodes, "nr_inodes of the same volume")
    yield _holds("network", found["interfaces"] == ["lo"], "none but the container's loopback")
    yield Requirement("open_files", "enforced", "RLIMIT_NOFILE")
    yield Requirement("output", "enforced", "head and tail kept, the rest drained and counted")
    yield Requirement("time", "enforced", "deadlines inside, a watchdog on this side")
    absent = [name for name in PROGRAMS if name not in found["programs"]]
    if absent:
        how = f"missing in the image: {' '.join(absent)}; tasks that need them are not sampled"
        mend = "an image that has them; ise image build --backend docker makes one"
        yield Requirement("programs", "degraded", how, mend)
    else:
        yield Requirement("programs", "enforced", " ".join(PROGRAMS))


def _holds(name: str, holds: bool, how: str) -> Requirement:
    if holds:
        return Requirement(name, "enforced", how)
    return Requirement(name, "unavailable", f"does not hold inside: {how}", "report this")
