"""The address that is listened on: taken alone, or shared by several processes."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys

from server.settings import Settings, SettingsProblem

_SO_ATTACH_FILTER = 26  # as socket.h of Linux numbers it
_BUT_SYN = b"".join(
    struct.pack("HBBI", *each)
    for each in ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
)
"""A packet filter (BPF): load the flags of the TCP header; with SYN drop the packet, else keep all of it."""


def bind(settings: Settings, *, shared: bool = False) -> socket.socket:
    """A socket on the address of the settings, not listening yet; `shared` with others that say so too.

    Raises:
        SettingsProblem: The address is not ours, or taken.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except (OSError, UnicodeError) as error:  # a host's name may be none
        raise taken(settings, error) from None
    return sock


def taken(settings: Settings, error: OSError | UnicodeError) -> SettingsProblem:
    """Why the address cannot be listened on, as a sentence."""
    why = getattr(error, "strerror", None) or error
    return SettingsProblem(f"Cannot listen on {settings.host}:{settings.port}: {why}.")


def reserve(settings: Settings) -> socket.socket:
    """A shared socket that never listens, to be kept: it finds the port free, and keeps strangers off it.

    Raises:
        SettingsProblem: The address is not ours, or taken.
    """
    bind(settings).close()
    return bind(settings, shared=True)


def turn_away(sock: socket.socket) -> None:
    """Let no new connection begin on a listening socket; those that have begun may still be taken.

    Their first packets are dropped, so that the client's kernel asks again a second later: then nobody
    listens, and it is refused. Else a connection that came between the last one taken and the closing would
    be reset, and its request lost. Linux alone can do this; elsewhere that moment stays.
    """
    program = ctypes.create_string_buffer(_BUT_SYN, len(_BUT_SYN))
    told = struct.pack("HP", len(_BUT_SYN) // 8, ctypes.addressof(program))
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, told)
