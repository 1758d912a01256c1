"""Serve tools and profiles as workers do, and count how often a client reads what is served."""

from __future__ import annotations

from tests.integration.test_store_tick import beat
from threadrun.client import catalogue as catalogue_module


def definition(name, **more):
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}} | more}


def serve(backend, *names, profiles=("default",), **more):
    tools = {
        name: {
            "definition": definition(name, **more),
            "queue": "tools",
            "timeout_seconds": 60,
            "idempotent": False,
        }
        for name in names
    }
    beat(backend, "tools@a", tools=tools, profiles=list(profiles))


def count_reads(monkeypatch):
    reads = []
    real = catalogue_module.read_catalogue

    def counting(keys):
        reads.append(keys)
        return real(keys)

    monkeypatch.setattr(catalogue_module, "read_catalogue", counting)
    return reads
