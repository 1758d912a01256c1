"""`threadrun doctor`: check what an operator asks first, and say how to mend it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from redis.exceptions import RedisError
from rich.text import Text

from threadrun.audit import Evidence
from threadrun.cli.audit import (
    AcceptedFile,
    AuditFlag,
    EffectsFile,
    ServerLogFile,
    audit_check,
    audit_document,
)
from threadrun.cli.doctor_checks import Check, judge
from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import Invocation
from threadrun.cli.screen import Screen, count, plain
from threadrun.cli.states import styled
from threadrun.health import Finding, Severity, check_redis
from threadrun.keys import Keys

_FATAL = frozenset(
    {"redis.unreachable", "redis.login_refused", "redis.connection_refused", "redis.forbidden"}
)
"""Without these nothing else can be looked at, and the exit code is that of every command that cannot use Redis."""

INDENT = 10
"""In which column findings begin."""

_Sample = Annotated[
    int, typer.Option("--sample", metavar="N", min=1, max=10_000, help="About how many open runs to look at.")
]


def doctor(
    at: Invocation,
    sample: _Sample = 200,
    audit: AuditFlag = False,
    server_log: ServerLogFile = None,
    effects: EffectsFile = None,
    accepted: AcceptedFile = None,
) -> ExitCode:
    """Check Redis, workers, profiles, tools, agendas and threads; exits with 1 if anything is an error.

    Exits with 5 if Redis cannot be used, so that nothing else could be looked at.

    With --audit, judge instead whether the guarantees were kept: each finished run has one end and gapless
    events, each open run one agenda entry, no thread is locked, no call of a tool that is not idempotent was
    entered twice. Exits with 1 if a rule is broken, with 2 if a log cannot be read.
    """
    if not audit and (server_log or effects or accepted):
        return at.complain(ExitCode.USAGE, "--server-log, --effects and --accepted need --audit")
    evidence = Evidence.read(server_log, effects, accepted)
    checks, verdict = [_redis(at)], None
    usable = not any(finding.check in _FATAL for finding in checks[0].findings)
    if usable:
        if audit:
            verdict = at.client.audit(evidence)
            checks.append(audit_check(verdict))
        else:
            checks += judge(at.client.survey(sample), Keys(at.key_prefix))
    findings = [finding for check in checks for finding in check.findings]
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if at.json:
        judged = {} if verdict is None else {"audit": audit_document(verdict)}
        at.screen.document(_document(at, checks, errors) | judged)
    else:
        for check in checks:
            _write(at.screen, check)
        at.screen.text(_verdict(errors, len(findings) - errors))
    if not usable:
        return ExitCode.UNREACHABLE
    return ExitCode.BAD if errors else ExitCode.OK


def _redis(at: Invocation) -> Check:
    findings = tuple(check_redis(at.redis, where=at.where, key_prefix=at.key_prefix))
    return Check("redis", " ".join(_server(at, findings)), findings)


def _server(at: Invocation, findings: Sequence[Finding]) -> Iterator[str]:
    if any(finding.check in {*_FATAL, "redis.not_checked"} for finding in findings):
        yield at.where
        return
    try:
        info: Any = at.redis.info()
    except RedisError:
        yield at.where
        return
    yield f"{info.get('redis_version', '?')} at {at.where},"
    yield "append-only file on," if info.get("aof_enabled") else "append-only file off,"
    yield f"{info.get('maxmemory_policy', '?')}, {info.get('used_memory_human', '?')} in use"


def _document(at: Invocation, checks: Sequence[Check], errors: int) -> dict[str, Any]:
    return {
        "ok": errors == 0,
        "redis": at.where,
        "key_prefix": at.key_prefix,
        "checks": [{"name": check.name, "summary": check.summary} for check in checks],
        "findings": [
            {"severity": finding.severity, "check": finding.check, "message": finding.message}
            for check in checks
            for finding in check.findings
        ],
    }


def _write(screen: Screen, check: Check) -> None:
    worst = _worst(check)
    head = Text.assemble(f"{check.name:<11}", styled(worst) if worst else Text("ok", "green"))
    screen.block(head, INDENT + 9, plain(check.summary))
    for finding in check.findings:
        head = Text.assemble("  ", styled(finding.severity))
        screen.block(head, INDENT, plain(finding.message))


def _worst(check: Check) -> Severity | None:
    severities = {finding.severity for finding in check.findings}
    return next((severity for severity in (Severity.ERROR, Severity.WARNING) if severity in severities), None)


def _verdict(errors: int, warnings: int) -> Text:
    if not errors and not warnings:
        return Text("\nAll is well.", "green")
    told = f"\n{count(errors, 'error')}, {count(warnings, 'warning')}"
    return Text(told, "red" if errors else "yellow")
