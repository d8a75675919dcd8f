"""How many files a process may have open, of which each connection is one."""

from __future__ import annotations

import resource

SPARE = 64
"""For what is open besides: bundles, the log, the event loop's own."""


def room_for(connections: int) -> int:
    """Raise the limit of open files as far as needed and allowed; the connections that then fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - SPARE))
