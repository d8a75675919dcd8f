"""A listening socket that turns new connections away, against the kernel itself."""

from __future__ import annotations

import socket
import sys

import pytest

from server.api.port import bind, turn_away
from server.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Only Linux filters packets by socket.")


def test_who_has_begun_is_taken_and_who_comes_later_is_refused_once_it_is_closed():
    with bind(Settings(host="127.0.0.1", port=0)) as sock:
        sock.listen(8)
        address = sock.getsockname()
        with socket.create_connection(address, timeout=5) as early:
            turn_away(sock)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
            early.sendall(b"asked")
            sock.settimeout(5)
            taken, _ = sock.accept()
            with taken:
                taken.settimeout(5)
                assert taken.recv(16) == b"asked"
                taken.sendall(b"answered")
                early.settimeout(5)
                assert early.recv(16) == b"answered"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)
