"""Who made something that may outlive its maker: boot id, process id, start time.

A process id alone is reused; together with the time that the process started, and the boot
that it started in, it names one process for ever.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

_LABEL = re.compile(r"^ise-([0-9a-f]{8})-([0-9]+)-([0-9]+)(?:-.*)?$")


@functools.lru_cache(1)
def boot() -> str:
    """Return eight hexadecimal digits that differ between boots."""
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def started(pid: int) -> int | None:
    """Return the clock tick at which a process started; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def label(name: str) -> str:
    """Return `name` with this process as its owner, fit for a file name."""
    pid = os.getpid()
    return f"ise-{boot()}-{pid}-{started(pid)}-{name}"


def is_label(text: str) -> bool:
    """Whether a name is one of ours."""
    return _LABEL.match(text) is not None


def alive(text: str) -> bool:
    """Whether the owner in a label still runs; False for what is no label."""
    found = _LABEL.match(text)
    if found is None or found[1] != boot():
        return False
    return started(int(found[2])) == int(found[3])


def discard(path: Path) -> None:
    """Remove a folder that an owner left, however deep it is; what cannot go stays.

    `shutil.rmtree` recurses, and an agent's tree may have more levels than Python allows.
    """
    subprocess.run(["rm", "-rf", "--", str(path)], stderr=subprocess.DEVNULL, check=False)
