"""The tables of README.md and docs/performance.md, written from the document, so that none is typed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks.bars import KIND, bars
from benchmarks.driver import ROOT
from benchmarks.workload import KINDS

README = ROOT / "README.md"
PERFORMANCE = ROOT / "docs" / "performance.md"

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
"""What stands around what is written."""

IN_FLIGHT = "in_flight_"

LEVEL_FIGURES = (
    ("process MB", "process_mb", ".0f"),
    ("Redis B a run", "redis_bytes_per_run", ",.0f"),
    ("polls/s", "polls_per_second", ".0f"),
    ("CPU ms a poll", "worker_cpu_ms_per_poll", ".2f"),
    ("Redis CPU ms a poll", "redis_cpu_ms_per_poll", ".2f"),
    ("claimed late, p99 ms", "lag_p99_ms", ".0f"),
    ("begun a second", "started_per_second", ".0f"),
)
"""Of each level: heading, name, form."""

SINGLE_FIGURES = (
    ("a finished one-tool run holds", "finished", "redis_bytes_per_run", ",.0f", " B in Redis"),
    ("it took Redis", "finished", "scripts_per_run", ".1f", " calls of scripts"),
    ("and, with what these run,", "finished", "commands_per_run", ".0f", " commands"),
    ("`import threadrun` takes", "start_up", "import_seconds", ".2f", " s"),
    ("a `runs` worker is ready after", "start_up", "runs_worker_seconds", ".1f", " s"),
    ("a `tools` worker after", "start_up", "tools_worker_seconds", ".1f", " s"),
    ("a bare GET and parse takes", "one_poll", "bare_ms", ".2f", " ms of CPU"),
    ("the provider's read of a run", "one_poll", "provider_ms", ".2f", " ms"),
)
"""Title, part, name, form, unit."""


def write_all(document: Mapping[str, Any]) -> None:
    """Write both files anew.

    Raises:
        LookupError: The marks are missing, or the document has no contenders.
    """
    fill(README, contender_table(document))
    fill(PERFORMANCE, f"{bars_table(document)}\n\n{scale_table(document)}")


def fill(path: Path, text: str) -> None:
    """Put a text between the marks of a file.

    Raises:
        LookupError: The marks are missing.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise LookupError(f"{path.name} lacks {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def contender_table(document: Mapping[str, Any]) -> str:
    """Draw the contenders in Markdown, with what they were measured on."""
    section = document["contenders"]
    headings = ["", "at runs/s", "CPU ms a run: no tool, one, three", "sustained runs/s", "requests a run"]
    rows = [[*headings, "delay, mean and p99 (ms)", "peak memory (MB)"]]
    rows += [_contender(section, name) for name in section[KIND]["figures"]]
    made = section["machine"]
    where = f"{made['cpu']}, {made['cores']} cores, {made['python']}"
    return f"{_markdown(rows)}\n\nMade on {section['made_at'][:10]}: {where}."


def bars_table(document: Mapping[str, Any]) -> str:
    """Draw the bars in Markdown."""
    rows = [["figure", "reached", "bar", ""]]
    rows += [[bar.figure, bar.reached or "—", bar.wanted, bar.verdict] for bar in bars(document)]
    return _markdown(rows)


def scale_table(document: Mapping[str, Any]) -> str:
    """Draw what was found at each number of runs in flight, and what belongs to no number, in Markdown."""
    scale = document.get("scale", {})
    levels = sorted(
        (one for name, one in scale.items() if name.startswith(IN_FLIGHT)), key=itemgetter("runs")
    )
    rows = [["runs in flight", *(title for title, _, _ in LEVEL_FIGURES)]]
    rows += [
        [f"{one['runs']:,}", *(format(one[name], form) for _, name, form in LEVEL_FIGURES)] for one in levels
    ]
    found = [
        f"{title} {format(scale[part][name], form)}{unit}"
        for title, part, name, form, unit in SINGLE_FIGURES
        if part in scale
    ]
    return "\n\n".join([_markdown(rows), *([f"Beside these: {'; '.join(found)}."] if found else [])])


def _contender(section: Mapping[str, Any], name: str) -> list[str]:
    one = section[KIND]["figures"][name]
    cpu = [_cpu(section, kind, name) for kind in KINDS]
    rate = section[KIND]["sustained"].get(name)
    return [
        name,
        f"{section[KIND]['rates'][name]:.3g}",
        ", ".join(cpu),
        "—" if rate is None else f"{rate:.3g}",
        f"{one['requests']:.1f}",
        f"{one['delay_mean_ms']:.0f}, {one['delay_p99_ms']:.0f}",
        f"{one['peak_mb']:.0f}",
    ]


def _cpu(section: Mapping[str, Any], kind: str, name: str) -> str:
    found = section.get(kind, {}).get("figures", {}).get(name)
    return "—" if found is None else f"{found['cpu_ms']:.1f}"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
