"""Every unit test registers its tools in a registry of its own."""

from __future__ import annotations

import pytest

from threadrun.tools.registry import default_registry


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_registry, "_tools", {})
