"""Judge whether the guarantees were kept, by the evidence alone: the records, and the logs of those outside.

The rules are pure. `RunClient.audit` reads the records and applies them; so does `threadrun doctor --audit`.
"""

from threadrun.audit.breach import Audit, Breach, Rule, Tally
from threadrun.audit.evidence import Evidence, LogUnreadable
from threadrun.audit.handler_log import HandlerLog
from threadrun.audit.kept import Kept, KeptCall, KeptEvent
from threadrun.audit.rules import judge
from threadrun.audit.server_log import ServerLog

__all__ = [
    "Audit",
    "Breach",
    "Evidence",
    "HandlerLog",
    "Kept",
    "KeptCall",
    "KeptEvent",
    "LogUnreadable",
    "Rule",
    "ServerLog",
    "Tally",
    "judge",
]
