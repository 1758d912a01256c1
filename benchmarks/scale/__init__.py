"""How threadrun grows: many runs in flight, idle workers, start-up, enqueuing, and what Redis holds and does.

    python -m benchmarks.scale --in-flight 1000 10000 50000

Each file measures one thing and gives plain figures; `__main__` measures them in turn and writes them beside those of
the contenders.
"""
