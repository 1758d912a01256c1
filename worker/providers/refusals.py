"""Which refusal an error status and its text mean.

Texts: recorded replies of OpenAI and Azure, and of two self-hosted servers compatible with them.
"""

from __future__ import annotations

import re

from worker.providers.base import Refusal

_ID = r"[\s:]+[\"'`]?(?P<run_id>[^\s\"'`,;]*[^\s\"'`,;.:!])"
_BUSY_THREAD = (
    re.compile(rf"already has an active run\b(?:{_ID})?", re.IGNORECASE),
    re.compile(rf"add messages? to \S+ while (?:a|the) run(?:{_ID}[\"'`]?)? is active", re.IGNORECASE),
)
_WRONG_STATUS = re.compile(
    r"not accept tool outputs|cannot cancel|already cancel|cannot update run with status"
    r"|\bis in \S+ status|\bin status \S+",
    re.IGNORECASE,
)
_NO_ROUTE = re.compile(
    r"(?:error |http status )?(?:404)?\W*(?:(?:page|path|route|endpoint|resource|url) )?not found\b\W*(?:at /.*)?"
    r"|(?:invalid|unknown|unrecognized) (?:request )?url\b.*|the requested url .*|no route .*"
    r"|no static resource .*|cannot (?:get|post|delete) /.*",
    re.IGNORECASE | re.DOTALL,
)
"""What OpenAI, Azure's gateway and common web servers and frameworks say of an address that leads nowhere."""

_STATUSES = {
    401: Refusal.UNAUTHORIZED,
    403: Refusal.UNAUTHORIZED,
    404: Refusal.NOT_FOUND,
    429: Refusal.RATE_LIMITED,
}


def refusal_of(status: int, message: str) -> tuple[Refusal, str | None]:
    """Name the refusal of a 4xx answer, and the run that stands in the way where the text names one."""
    if status == 404 and _NO_ROUTE.fullmatch(message.strip()):
        return Refusal.NO_ROUTE, None
    if status != 400:
        return _STATUSES.get(status, Refusal.INVALID), None
    for pattern in _BUSY_THREAD:
        if found := pattern.search(message):
            return Refusal.BUSY_THREAD, found["run_id"]
    if _WRONG_STATUS.search(message):
        return Refusal.WRONG_STATUS, None
    return Refusal.INVALID, None
