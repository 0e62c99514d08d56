"""The seccomp profile of containers: the local backend's filter in Docker's notation.

Where the engine knows `defaultErrnoRet` (Docker 23 and later), unknown calls answer ENOSYS as
they do locally; before, EPERM, with `clone3` and its like named so that libc falls back.
"""

from __future__ import annotations

import errno
import json
from typing import Any

from ise_env.workspaces.local import seccomp

_NO_SUCH_CALL = ("clone3", "memfd_secret", "mount_setattr", "rseq_slice_yield")


def profile() -> str:
    """Return the profile as JSON, to follow `seccomp=` in a security option."""
    rules = [_rule(names) for names in seccomp.allowed().values()]
    for names in seccomp.refused().values():
        rules.append(_rule(names, action="SCMP_ACT_ERRNO", errnoRet=errno.EPERM))
    known = {name for names in seccomp.refused().values() for name in names}
    unknown = [name for name in _NO_SUCH_CALL if name not in known]
    rules.append(_rule(unknown, action="SCMP_ACT_ERRNO", errnoRet=errno.ENOSYS))
    for name, alternatives in seccomp.conditions().items():
        for comparisons in alternatives:
            rules.append(_rule([name], args=[_argument(*c) for c in comparisons]))
    return json.dumps(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "defaultErrnoRet": errno.ENOSYS,
            "archMap": [
                {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
                {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
            ],
            "syscalls": rules,
        }
    )


def _rule(names: list[str], action: str = "SCMP_ACT_ALLOW", **more: Any) -> dict[str, Any]:
    return {"names": names, "action": action, **more}


def _argument(index: int, operation: int, a: int, b: int) -> dict[str, Any]:
    if operation == seccomp.EQUAL:
        return {"index": index, "value": a, "op": "SCMP_CMP_EQ"}
    return {"index": index, "value": a, "valueTwo": b, "op": "SCMP_CMP_MASKED_EQ"}
