"""Judge what doctor saw: workers, runs, tools and agendas; each finding ends with its remedy. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from threadrun.cli.calls import worker_name
from threadrun.cli.screen import ago, brief, count, joined, plain
from threadrun.cli.waiting_words import why_held
from threadrun.client import PauseStats, Stats, Survey, WaitsFor, WorkerStats
from threadrun.client.stats import ALIVE_SECONDS
from threadrun.health import Finding, Severity
from threadrun.keys import Keys
from threadrun.status import CallState, Stage

START_RUNS = "Start one: python -m celery -A worker.app worker -P threads -Q runs"
START_TOOLS = "Start one: python -m celery -A worker.app worker -P prefork -Q tools"

MAX_NAMED = 5
"""At most so many runs are named for one kind of trouble."""
NEWS_SECONDS = 3_600.0
"""For how long the death of a worker is told."""

_TO_BE_MENDED = {
    "unauthorized": ("the provider refuses the key", "API_KEY"),
    "no_route": ("nothing answers at the base URL but a web server's 404", "BASE_URL"),
}
"""What holds runs until somebody corrects the profile: the fault, and the setting."""


@dataclass(frozen=True, slots=True)
class Check:
    """Hold what one look gave."""

    name: str
    summary: str
    """What is so, in a few words."""
    findings: tuple[Finding, ...] = ()


def judge(survey: Survey, keys: Keys) -> tuple[Check, ...]:
    """Judge everything but the Redis server itself."""
    return (
        _workers(survey),
        _profiles(survey),
        _tools(survey),
        _progress(survey),
        _agendas(survey, keys),
        _threads(survey, keys),
        _quarantine(survey),
    )


def _workers(survey: Survey) -> Check:
    alive = Counter(worker.kind for worker in survey.stats.workers if worker.alive)
    found: list[Finding] = []
    if not alive["runs"]:
        text = f"no worker of queue runs is alive: runs are accepted and nothing carries them. {START_RUNS}"
        found.append(Finding(Severity.ERROR, "workers.no_runs", text))
    if not alive["tools"]:
        found.append(_no_tools_worker(survey))
    found += [_silent(worker, survey.stats.at) for worker in _silent_workers(survey.stats)]
    return Check("workers", f"{alive['runs']} runs, {alive['tools']} tools alive", tuple(found))


def _no_tools_worker(survey: Survey) -> Finding:
    waiting = sum(call.state is CallState.PENDING for run in survey.runs for call in run.calls)
    if waiting:
        text = f"no tools worker is alive, with {count(waiting, 'tool call')} waiting for one. {START_TOOLS}"
        return Finding(Severity.ERROR, "workers.no_tools", text)
    text = f"no tools worker is alive; runs that call a tool will wait for one. {START_TOOLS}"
    return Finding(Severity.WARNING, "workers.no_tools", text)


def _silent_workers(stats: Stats) -> list[WorkerStats]:
    # A restart under the same node name is another worker id; the dead one is then of no interest. Nor is one that
    # was replaced under another name long ago: its work goes on elsewhere.
    alive = {worker_name(worker.worker_id) for worker in stats.workers if worker.alive}
    recent = [one for one in stats.workers if (stats.at - one.seen_at).total_seconds() <= NEWS_SECONDS]
    return [one for one in recent if not one.alive and worker_name(one.worker_id) not in alive]


def _silent(worker: WorkerStats, now: datetime) -> Finding:
    text = (
        f"{worker_name(worker.worker_id)} (pid {worker.pid}) gave no sign for {ago(now - worker.seen_at)} and did "
        "not say that it stops: it died or is cut off from Redis. See its log, start it again."
    )
    return Finding(Severity.WARNING, "workers.silent", text)


def _profiles(survey: Survey) -> Check:
    now = survey.stats.at
    served = sorted(name for name, at in survey.profiles_seen_at.items() if _fresh(now, at))
    waiting = Counter(run.profile for run in survey.runs if not run.final and run.profile not in served)
    found = [_unserved(profile, runs) for profile, runs in waiting.items()]
    held = Counter((run.profile, run.held) for run in survey.runs if run.held)
    found += [_paused(pause) for pause in survey.stats.pauses]
    found += [_held(profile, held_by, runs) for (profile, held_by), runs in held.items()]
    return Check("profiles", f"served: {joined(served)}", tuple(found))


def _paused(pause: PauseStats) -> Finding:
    requests = "no request is" if pause.kind == "both" else f"no {pause.kind} is"
    causes = {
        "rate_limited": "it answered 429. Set GETS_PER_SECOND and POSTS_PER_SECOND of the profile below its limits",
        "unavailable": "it fails again and again. See `threadrun show KEY` of a run for its last answer",
    }
    text = (
        f"{requests} sent to the provider of profile {plain(pause.profile)} for {brief(pause.seconds)} s, because "
        f"{causes[pause.reason]}. Its runs rest, and go on by themselves."
    )
    return Finding(Severity.WARNING, "profiles.paused", text)


def _unserved(profile: str, runs: int) -> Finding:
    text = (
        f"{runs} of the runs looked at are of profile {plain(profile)}, which no living worker serves. Configure "
        f"THREADRUN_PROFILES__{plain(profile).upper()}__BASE_URL at a runs worker."
    )
    return Finding(Severity.ERROR, "profiles.unserved", text)


def _held(profile: str, held: str, runs: int) -> Finding:
    if held in _TO_BE_MENDED:
        fault, variable = _TO_BE_MENDED[held]
        text = (
            f"{fault} of profile {plain(profile)}: {runs} of the runs looked at are held. "
            f"Correct THREADRUN_PROFILES__{plain(profile).upper()}__{variable} and restart the runs workers."
        )
        return Finding(Severity.ERROR, f"profiles.{held}", text)
    text = (
        f"{runs} of the runs looked at, of profile {plain(profile)}, are held ({plain(held)}): "
        f"{why_held(held, profile)}. Those that have time left go on by themselves once that is over."
    )
    return Finding(Severity.WARNING, "profiles.held", text)


def _tools(survey: Survey) -> Check:
    now = survey.stats.at
    served = sorted(name for name, at in survey.tools_seen_at.items() if _fresh(now, at))
    pending = [call for run in survey.runs for call in run.calls if call.state is CallState.PENDING]
    lacking = Counter((call.tool, call.queue) for call in pending if call.tool not in served)
    found = [_lacking(tool, queue, calls) for (tool, queue), calls in lacking.items()]
    left = sorted(set(survey.tools_seen_at) - set(served) - {tool for tool, _ in lacking})
    if left:
        found.append(_left(left))
    return Check("tools", f"served: {joined(served)}", tuple(found))


def _lacking(tool: str, queue: str, calls: int) -> Finding:
    text = (
        f"{count(calls, 'call')} of {plain(tool)} waiting, and no living worker serves it. Start a tools worker that "
        f"imports its handler (THREADRUN_TOOLS__MODULES) and consumes its queue (-Q {plain(queue)})."
    )
    return Finding(Severity.ERROR, "tools.unserved", text)


def _left(tools: Sequence[str]) -> Finding:
    text = (
        f"served within the last day, but by no living worker: {joined(tools)}. Runs may still name them, and their "
        "calls would wait. Start their tools worker again; names that are gone for good are forgotten after a day."
    )
    return Finding(Severity.WARNING, "tools.left", text)


def _progress(survey: Survey) -> Check:
    agendas = survey.stats.agendas
    found = []
    for agenda in agendas:
        if agenda.stuck:
            text = (
                f"{agenda.stuck} runs of profile {plain(agenda.profile)} in stage {agenda.stage} are due for more than "
                f"a minute, the first for {brief(agenda.oldest_due_seconds)} s. See the runs workers' log; if they are "
                "busy, start more of them."
            )
            found.append(Finding(Severity.ERROR, "runs.stuck", text))
    if survey.damaged:
        found.append(_damaged(survey.damaged))
    total, due = sum(agenda.runs for agenda in agendas), sum(agenda.due for agenda in agendas)
    return Check("runs", f"{total} open, {due} due", tuple(found))


def _damaged(run_keys: Sequence[str]) -> Finding:
    more = f" and {len(run_keys) - MAX_NAMED} more" if len(run_keys) > MAX_NAMED else ""
    text = (
        f"{count(len(run_keys), 'record')} cannot be read: {joined(run_keys[:MAX_NAMED])}{more}. Mend the fields in "
        "Redis, then `threadrun quarantine release KEY` where it is listed, or remove the run: "
        "`threadrun purge --run KEY --damaged`."
    )
    return Finding(Severity.ERROR, "runs.damaged", text)


def _agendas(survey: Survey, keys: Keys) -> Check:
    astray = [run for run in survey.runs if run.agendas != (_home(run),)]
    found = [_astray(run, keys) for run in astray[:MAX_NAMED]]
    if len(astray) > MAX_NAMED:
        text = f"{len(astray) - MAX_NAMED} more runs are astray in the same way. Mend these and look again."
        found.append(Finding(Severity.ERROR, "agenda.more", text))
    looked = f"{count(len(survey.runs), 'open run')} looked at"
    summary = f"{looked}, {len(astray)} astray" if astray else f"{looked}, each in its one agenda"
    return Check("agenda", summary, tuple(found))


def _home(run: WaitsFor) -> Stage:
    return Stage.FINALIZE if run.tells else run.stage


def _astray(run: WaitsFor, keys: Keys) -> Finding:
    key, profile = plain(run.key), plain(run.profile)
    wrong = [stage for stage in run.agendas if stage is not _home(run)]
    steps = [f"redis-cli ZREM {keys.agenda(stage, profile)} {key}" for stage in wrong]
    if run.final:
        text = f"run {key} is done, yet still in the agenda of {joined(wrong)}. Mend it: {'; '.join(steps)}"
        return Finding(Severity.WARNING, "agenda.done", text)
    if _home(run) not in run.agendas:
        steps.append(f"redis-cli ZADD {keys.agenda(run.stage, profile)} 0 {key}")
        text = f"run {key} in stage {run.stage} is not in its agenda, so nobody looks at it."
    else:
        text = f"run {key} in stage {run.stage} is also in the agenda of {joined(wrong)}."
    return Finding(Severity.ERROR, "agenda.astray", f"{text} Mend it: {'; '.join(steps)}")


def _threads(survey: Survey, keys: Keys) -> Check:
    waiting = [run for run in survey.runs if run.stage is Stage.WAITING]
    found = tuple(_orphaned(run, keys) for run in _first_of_threads(waiting) if _is_orphaned(run))
    return Check("threads", f"{count(len(waiting), 'waiting run')} looked at", found)


def _first_of_threads(waiting: Sequence[WaitsFor]) -> Iterator[WaitsFor]:
    return (run for run in waiting if run.runs_ahead == 0)


def _is_orphaned(run: WaitsFor) -> bool:
    held_by_other = run.thread_holder not in {None, run.key}
    ended = run.thread_holder_stage in {None, Stage.DONE}
    return run.thread_holder is None or (held_by_other and ended)


def _orphaned(run: WaitsFor, keys: Keys) -> Finding:
    thread = keys.thread(run.profile, run.thread_id or "")
    holder = f"run {plain(run.thread_holder)}, which has ended" if run.thread_holder else "nobody"
    text = (
        f"run {plain(run.key)} waits for thread {plain(run.thread_id)}, which is held by {holder}. Mend it: "
        f"redis-cli LREM {thread}:waiting 0 {plain(run.key)}; redis-cli SET {thread}:active {plain(run.key)}"
    )
    return Finding(Severity.ERROR, "threads.orphaned", text)


def _quarantine(survey: Survey) -> Check:
    waiting = survey.stats.quarantined
    if not waiting:
        return Check("quarantine", "empty")
    text = (
        f"{waiting} runs or tool calls are set aside: workers died with them, or nobody knows how a call ended. "
        "See `threadrun quarantine list`, then resolve or release each; a run can be cancelled too."
    )
    return Check(
        "quarantine", f"{waiting} set aside", (Finding(Severity.WARNING, "quarantine.filled", text),)
    )


def _fresh(now: datetime, at: datetime) -> bool:
    return (now - at).total_seconds() <= ALIVE_SECONDS
