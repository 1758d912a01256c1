"""URLs whose password is never shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Secret

from threadrun.redis_urls import MASK, RedisAddress


class SecretUrl(Secret[str]):
    """Hold a URL; `repr`, `str` and every dump show it with its password masked.

    `get_secret_value()` gives the whole URL, for clients only.
    """

    def _display(self) -> str:
        return masked(self.get_secret_value())

    @property
    def password(self) -> str | None:
        """The password, for those who must keep it out of texts."""
        url = self.get_secret_value()
        try:
            return RedisAddress.parse(url).password
        except ValueError:
            return urlsplit(url).password


def masked(url: str) -> str:
    """Spell a URL with its password masked; one that cannot be read is masked whole."""
    try:
        return RedisAddress.parse(url).shown
    except ValueError:
        pass
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname or ''}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return MASK
    login = f"{parts.username or ''}:{MASK}@" if parts.password else ""
    return f"{parts.scheme}://{login}{host}{parts.path}" if parts.scheme and host else MASK
