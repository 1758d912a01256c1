"""What `make bench` runs: threadrun and its peers against the same run server, on this machine.

    python -m benchmarks --runs 300 --rate 20 --seed 1

A contender is one way of carrying runs (`ours`, `peers/`). Each gets a fresh run server, the same seeded runs at the
same times (`workload`), and is judged by what the kernel (`cpu`) and the run server (`detection`) say of it, never by
what it says of itself.
"""
