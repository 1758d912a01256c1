"""Set a worker's host clock wrong: the interpreter imports this file when it starts.

CHAOS_HOST_CLOCKS says by how many seconds, for each worker, as JSON: `{"runs0": 3600}`.
"""

from __future__ import annotations

import json
import os
import sys
import time

import time_machine

_SECONDS = json.loads(os.environ.get("CHAOS_HOST_CLOCKS", "{}"))
_NODE = next((word.partition("@")[0] for word in reversed(sys.orig_argv) if "@" in word), "")

if seconds := _SECONDS.get(_NODE):
    time_machine.travel(time.time() + seconds, tick=True).start()
