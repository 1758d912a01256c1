"""Every Redis key of threadrun: its name, type, life, who writes it and who reads it.

All keys start with the deployment's prefix (`THREADRUN_KEY_PREFIX`, default `threadrun:`). One Redis (not a
cluster): scripts touch several of them at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from threadrun.status import Stage

DEFAULT_PREFIX = "threadrun:"
"""The prefix when none is configured."""

INDEX_LIFE_SECONDS = 90 * 86_400
"""How long counters and per-thread indexes stay after their last write."""


@dataclass(frozen=True, slots=True)
class KeyDoc:
    """Describe one kind of key."""

    pattern: str
    """The name after the prefix; `{…}` are the variable parts."""
    type: str
    """Redis type."""
    life: str
    """When it goes."""
    writer: str
    """Who writes it."""
    reader: str
    """Who reads it."""
    holds: str
    """What it holds."""


KEY_DOCS = (
    KeyDoc("run:{run_key}", "hash", "7 days after the end", "client, workers", "everyone",
           "the record: request, stage, status, ids, last Run, steps, messages, usage, outcome"),
    KeyDoc("run:{run_key}/events", "list", "7 days after the end", "scripts", "everyone",
           "the transitions as JSON; the length is `seq`"),
    KeyDoc("run:{run_key}/calls", "hash", "7 days after the end", "workers", "everyone",
           "the ledger: fields `{round}:{index}:{name}`"),
    KeyDoc("run:{run_key}/twins", "hash", "while its thread is watched", "workers", "workers",
           "runs at the provider that our create may have made beside this one, and until when to look for them"),
    KeyDoc("twins:{profile}", "sorted set", "while threads are watched", "workers", "workers",
           "run keys whose threads are watched for twins, by the time (ms) to look again"),
    KeyDoc("agenda:{stage}:{profile}", "sorted set", "while runs are open", "scripts", "workers",
           "open runs by the time (ms) to look at them again"),
    KeyDoc("wake:{stage}:{profile}", "string", "until a claim, 2 min at most", "tick", "tick",
           "a wake-up is under way: how often it was sent, and when (ms) it will be sent again"),
    KeyDoc("permits:{profile}", "hash", "10 min after the last word", "workers", "workers, client",
           "when the provider may be asked: pauses, failures in a row, places of a rate; absent while all is well"),
    KeyDoc("thread:{profile}:{thread_id}:active", "string", "while a run is active", "scripts", "scripts",
           "the run key that holds the thread"),
    KeyDoc("thread:{profile}:{thread_id}:waiting", "list", "while runs wait", "scripts", "scripts",
           "run keys that wait for the thread, oldest first"),
    KeyDoc("index:runs", "sorted set", "trimmed by the tick", "scripts", "client",
           "run keys by creation (ms)"),
    KeyDoc("index:status:{status}", "sorted set", "trimmed by the tick", "scripts", "client",
           "run keys by creation (ms), by status or outcome; `none` before the first status"),
    KeyDoc("index:thread:{profile}:{thread_id}", "sorted set", "90 days after the last run", "scripts", "client",
           "run keys of a thread by creation (ms)"),
    KeyDoc("stream", "stream", "capped at about 10,000", "scripts", "your own (XREAD)",
           "«run K has event N», for those who follow"),
    KeyDoc("profiles", "sorted set", "trimmed after a day unseen", "workers", "client, tick",
           "profiles that workers serve, by last sight (ms)"),
    KeyDoc("tools", "hash", "trimmed after a day unseen", "tools workers", "client, workers",
           "the catalogue: tool name to definition, queue and limits (JSON)"),
    KeyDoc("tools:seen", "sorted set", "trimmed after a day unseen", "tools workers", "client, tick",
           "tool names by last sight (ms)"),
    KeyDoc("workers", "sorted set", "trimmed after a day unseen", "workers", "workers, client",
           "worker ids by last heartbeat (ms)"),
    KeyDoc("worker:{worker_id}", "hash", "1 day", "workers", "client",
           "what a worker says of itself: host, pid, kind, queues, version; `left_ms` once it has left"),
    KeyDoc("redis", "hash", "for ever", "workers", "workers",
           "the Redis server of the workers: its run id, since when (ms) they know it, and see it without a gap"),
    KeyDoc("clock", "hash", "for ever", "workers", "scripts, client",
           "`ahead_ms`: by how much Redis's clock has jumped; `seen_ms`: the time that workers saw last"),
    KeyDoc("hands:{worker_id}", "sorted set", "1 day", "tools workers", "workers",
           "the calls that a tools worker has in hand (`run key/round/index`), by when that must be over (ms)"),
    KeyDoc("quarantine", "sorted set", "while runs are open", "scripts", "client",
           "what waits for a person: run keys, and calls as `run key/round/index`, by since when (ms)"),
    KeyDoc("usage:{day}", "hash", "90 days", "scripts", "client",
           "token and run counters of a UTC day: fields `{metric}|{model}|{assistant_id}`"),
    KeyDoc("mq:…", "Celery's own", "Celery's", "Celery", "Celery, Flower",
           "the broker's queues and results, when the broker is this Redis"),
)  # fmt: skip
"""The table that the README shows; a test compares both with what a real run leaves in Redis."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Build key names under one prefix."""

    prefix: str = DEFAULT_PREFIX
    """The deployment's prefix, with its trailing separator."""

    def run(self, run_key: str) -> str:
        """Name the record of a run."""
        return f"{self.prefix}run:{run_key}"

    def events(self, run_key: str) -> str:
        """Name the transitions of a run.

        The slash cannot be in a run key; with a colon, run `a:events` would be where the events of run `a` are.
        """
        return f"{self.prefix}run:{run_key}/events"

    def calls(self, run_key: str) -> str:
        """Name the ledger of a run."""
        return f"{self.prefix}run:{run_key}/calls"

    def of_run(self, run_key: str) -> tuple[str, ...]:
        """Name all keys of a run: the record, and what stands beside it."""
        return self.run(run_key), self.events(run_key), self.calls(run_key), self.twins_of(run_key)

    def twins_of(self, run_key: str) -> str:
        """Name what is known of a run's twins."""
        return f"{self.prefix}run:{run_key}/twins"

    def twins(self, profile: str) -> str:
        """Name the watches for twins."""
        return f"{self.prefix}twins:{profile}"

    def agenda(self, stage: Stage | str, profile: str) -> str:
        """Name the agenda of a stage and profile."""
        return f"{self.prefix}agenda:{stage}:{profile}"

    def wake(self, stage: Stage | str, profile: str) -> str:
        """Name the mark that a wake-up is under way."""
        return f"{self.prefix}wake:{stage}:{profile}"

    def permits(self, profile: str) -> str:
        """Name what all workers know together of when a profile's provider may be asked."""
        return f"{self.prefix}permits:{profile}"

    def thread(self, profile: str, thread_id: str) -> str:
        """Name the root of a thread's mailbox; scripts append `:active` and `:waiting`."""
        return f"{self.prefix}thread:{profile}:{quote(thread_id, safe='')}"

    def nothing(self) -> str:
        """Name the key that stands where a script has none; it is never written, but must be allowed by an ACL."""
        return f"{self.prefix}-"

    def index_runs(self) -> str:
        """Name the index of all runs."""
        return f"{self.prefix}index:runs"

    def index_status(self, status: str) -> str:
        """Name the index of a status or outcome (`none` before the first status)."""
        return f"{self.prefix}index:status:{status or 'none'}"

    def index_thread(self, profile: str, thread_id: str) -> str:
        """Name the index of a thread's runs."""
        return f"{self.prefix}index:thread:{profile}:{quote(thread_id, safe='')}"

    def stream(self) -> str:
        """Name the stream of «run K has event N»."""
        return f"{self.prefix}stream"

    def profiles(self) -> str:
        """Name the served profiles."""
        return f"{self.prefix}profiles"

    def tools(self) -> str:
        """Name the catalogue of tools."""
        return f"{self.prefix}tools"

    def tools_seen(self) -> str:
        """Name the last sights of the catalogue's tools."""
        return f"{self.prefix}tools:seen"

    def workers(self) -> str:
        """Name the heartbeats."""
        return f"{self.prefix}workers"

    def worker(self, worker_id: str) -> str:
        """Name what one worker says of itself."""
        return f"{self.prefix}worker:{worker_id}"

    def redis(self) -> str:
        """Name what the workers know of the Redis server itself."""
        return f"{self.prefix}redis"

    def clock(self) -> str:
        """Name what the workers know of Redis's clock; the scripts write this name themselves."""
        return f"{self.prefix}clock"

    def hands(self, worker_id: str) -> str:
        """Name the tool calls that a worker has in hand."""
        return f"{self.prefix}hands:{worker_id}"

    def quarantine(self) -> str:
        """Name the list of runs and calls that wait for a person."""
        return f"{self.prefix}quarantine"

    def usage(self, day: str) -> str:
        """Name the counters of one UTC day (`YYYY-MM-DD`)."""
        return f"{self.prefix}usage:{day}"
