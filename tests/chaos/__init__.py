"""Try to break threadrun on purpose, and judge by what is left: `python -m tests.chaos ROW`.

    rows/        one experiment a file: a load, a nemesis, and what must be shown
    generator.py the load: seeded, repeated until it is accepted
    crew.py      the workers: groups of a `runs` and a `tools` worker that can be killed
    nemeses/     what breaks things: kills of groups, of Redis, restarts
    checker.py   the verdict: `threadrun.audit` over records and effect logs, and nothing else
    figures.py   what a row shows and demands; report.py merges it into build/chaos.json

A new row is a module in rows/ with one function, and a target `chaos-NAME` in the Makefile:

    def run(size: Size, seed: int, folder: Path) -> Figures:
        figures = Figures(load="300 runs", nemesis="what is done to them")
        …
        figures.demand("lost", lost, at_most=0)
        return figures

`size` is "full" for `make chaos` (at most 10 minutes on 2 cores) or "small" for `make test` (where each row is a
test, all rows together at most 4 minutes). A demand that is not met fails the row: exit code 1.
"""
