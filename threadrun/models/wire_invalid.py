"""The error of a reply that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from threadrun.errors import Problem, ThreadrunError
from threadrun.plain_words import problems_of


class WireInvalid(ThreadrunError, ValueError):
    """Report what cannot be read as the object it should be; `model` and `problems` say what and why.

    Holds no value of the reply, so its text may be logged. A provider adapter answers it as `Unknown` with
    reason `bad_body`: the request may have had its effect.
    """

    def __init__(self, model: str, problems: Sequence[Problem], _text: str = "") -> None:
        self.model = model
        self.problems = tuple(Problem(*one) for one in problems)
        listing = "; ".join(str(problem) for problem in self.problems)
        self._tell(
            f"Not a {model} of the Assistants wire: {listing}. "
            "Check that the profile's base URL is that of an Assistants-compatible server.",
            model,
            self.problems,
        )

    @classmethod
    def of(cls, model: str, error: ValidationError) -> WireInvalid:
        """Translate pydantic's error, without the input values that it holds."""
        return cls(model, list(problems_of(error)))
