"""What `make bench` runs: threadrun and its peers against the same run server, on this machine.

    python -m benchmarks --only threadrun --runs 600 --rate 60       # one contender, quickly
    python -m benchmarks --sustained --rate 200 --runs 2000 --repeat 5  # as `make bench` does
    python -m benchmarks.scale --only idle
    python -m benchmarks.policies

A contender is one way of carrying runs (`ours`, `peers/`). Each gets a fresh run server, the same seeded runs at the
same times (`workload`), and is judged by what the kernel (`cpu`) and the run server (`detection`) say of it, never by
what it says of itself.
"""
