"""HTTP to a provider: one request a call, a total deadline, bounded replies, failures as values."""

from worker.transport.body import DEFAULT_MAX_REPLY_BYTES, MAX_JSON_DEPTH
from worker.transport.http import HttpTransport
from worker.transport.outcome import Answered, Broken, Fault, NeverSent, Outcome

__all__ = [
    "DEFAULT_MAX_REPLY_BYTES",
    "MAX_JSON_DEPTH",
    "Answered",
    "Broken",
    "Fault",
    "HttpTransport",
    "NeverSent",
    "Outcome",
]
