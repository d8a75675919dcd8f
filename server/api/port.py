"""The address that is listened on: taken alone, or shared by several processes."""

from __future__ import annotations

import socket

from server.settings import Settings, SettingsProblem


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
    except OSError as error:
        raise taken(settings, error) from None
    return sock


def taken(settings: Settings, error: OSError) -> SettingsProblem:
    """Why the address cannot be listened on, as a sentence."""
    return SettingsProblem(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}.")


def reserve(settings: Settings) -> socket.socket:
    """A shared socket that never listens, to be kept: it finds the port free, and keeps strangers off it.

    Raises:
        SettingsProblem: The address is not ours, or taken.
    """
    bind(settings).close()
    return bind(settings, shared=True)
