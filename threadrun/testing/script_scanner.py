"""Walk through the text of a script: words, numbers, JSON values and the rest of a directive."""

from __future__ import annotations

import json
import re

from pydantic_core import from_json

_BLANK = re.compile(r"[ \t\r]*")
_SEPARATORS = re.compile(r"[\s;]*")
_WORD = re.compile(r"[^\s;{\"]+")
_REST = re.compile(r"[^;\n]*")
_JSON = json.JSONDecoder()


class ScriptError(ValueError):
    """Say what is wrong with a script, and in which directive."""


class Scanner:
    """Hold a place in a script's text and read onward from it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._directive = 0

    def next_directive(self) -> bool:
        """Go to the next directive; tell whether there is one."""
        self._skip(_SEPARATORS)
        self._directive += 1
        return self._at < len(self._text)

    def peek_word(self) -> str:
        """Read the word that stands here, or nothing, without passing it."""
        self._skip(_BLANK)
        match = _WORD.match(self._text, self._at)
        return match.group() if match else ""

    def peek_character(self) -> str:
        """Read the next character that is not blank, without passing it."""
        self._skip(_BLANK)
        return self._text[self._at : self._at + 1]

    def word(self, what: str) -> str:
        """Read and pass a word.

        Raises:
            ScriptError: if none stands here; `what` names what is missing.
        """
        word = self.peek_word()
        if not word:
            raise self.error(f"{what} is missing")
        self._at += len(word)
        return word

    def seconds(self) -> float:
        """Read and pass a number of seconds.

        Raises:
            ScriptError: if no such number stands here.
        """
        word = self.word("a number of seconds")
        try:
            seconds = float(word)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            raise self.error(f"{word!r} is no number of seconds")
        return seconds

    def json(self, what: str) -> tuple[object, str]:
        """Read and pass a JSON value; give it both decoded and as it is written.

        Raises:
            ScriptError: if what stands here is no JSON.
        """
        start = self._at
        try:
            _, self._at = _JSON.raw_decode(self._text, start)
            written = self._text[start : self._at]
            # raw_decode finds the end, but lets through what no answer can carry (NaN, half surrogate pairs).
            return from_json(written, allow_inf_nan=False), written
        except ValueError as error:
            raise self.error(f"{what} cannot be read as JSON: {error}") from None

    def rest(self) -> str:
        """Read and pass what is left of the directive."""
        match = _REST.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return match.group().strip() if match else ""

    def error(self, problem: str) -> ScriptError:
        """Make the error that names this directive and what is wrong with it."""
        return ScriptError(f"directive {self._directive}: {problem}.")

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
