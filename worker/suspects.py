"""Carry suspects one at a time: runs that were in the hands of a worker when it died."""

from __future__ import annotations


class SuspectSlot:
    """Let a process have one suspect in hand, so that its death is a strike for that one; used on the loop only.

    Everything else is carried beside it and waits for nothing.
    """

    def __init__(self) -> None:
        self._free = True

    def take(self) -> bool:
        """Take the slot if it is free; whoever then claims no suspect gives it back."""
        taken, self._free = self._free, False
        return taken

    def give_back(self) -> None:
        """Let another suspect be claimed."""
        self._free = True
