"""API keys: where they come from, and whether a request brings one."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from server.errors import Unauthorized
from server.settings import Settings, SettingsProblem


class Keys:
    """The keys that open /v1; without any, /v1 is open."""

    def __init__(self, keys: frozenset[bytes]) -> None:
        self._keys = tuple(sorted(keys))

    @classmethod
    def of(cls, settings: Settings) -> Keys:
        """The keys in the settings and in their file.

        Raises:
            SettingsProblem: The file cannot be read, or holds no key although it is named.
        """
        given = set(_cleaned(settings.api_keys.get_secret_value().split(",")))
        if settings.api_keys_file is not None:
            try:
                lines = settings.api_keys_file.read_text("utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise SettingsProblem(f"The file of API keys cannot be read: {error}.") from None
            found = _cleaned(line.partition("#")[0] for line in lines)
            if not found:
                raise SettingsProblem(f"The file of API keys, {settings.api_keys_file}, holds no key.")
            given.update(found)
        return cls(frozenset(given))

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Let a request through that brings a known key.

        Every key is compared, each in constant time, so that the time taken tells nothing.

        Raises:
            Unauthorized: It brings none, or one that is not known.
        """
        if not self._keys:
            return
        scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
        offered = headers.get(b"x-api-key") or (token.strip() if scheme.lower() == b"bearer" else b"")
        known = False
        for key in self._keys:
            known |= hmac.compare_digest(key, offered)
        if not known:
            raise Unauthorized("Send a known API key, as `Authorization: Bearer KEY` or as `X-Api-Key: KEY`.")


def _cleaned(keys: Iterable[str]) -> list[bytes]:
    return [key.strip().encode() for key in keys if key.strip()]
