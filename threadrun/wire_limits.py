"""The wire's limits that are checked before anything is stored, each told with its number.

Only those that every known server has: what one server refuses and another takes is the server's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

RUN_KEY_METADATA = "threadrun_key"
"""The metadata key under which the provider's run carries our run key; it takes one of the 16 pairs."""

MAX_METADATA_PAIRS = 15
"""The wire allows 16 pairs; on a run one is ours (OpenAI's published CreateRunRequest)."""

MAX_TEXT_CHARACTERS = 256_000
"""The wire's limit of a message's text and of instructions."""

_MOST = {
    ("code_interpreter", "file_ids"): (20, "files"),
    ("file_search", "vector_store_ids"): (1, "vector store"),
}


def check_run_metadata(metadata: Any) -> Any:
    """Check the metadata of a run, of which one pair is ours.

    Raises:
        ValidationError: with everything that is wrong.
    """
    if isinstance(metadata, dict):
        _raise(_metadata_problems(metadata, MAX_METADATA_PAIRS, " (the sixteenth is ours)"))
    return metadata


def check_metadata(metadata: Any) -> Any:
    """Check metadata that is the caller's alone.

    Raises:
        ValidationError: with everything that is wrong.
    """
    if isinstance(metadata, dict):
        _raise(_metadata_problems(metadata, MAX_METADATA_PAIRS + 1, ""))
    return metadata


def check_text(text: str) -> None:
    """Check the length of one text.

    Raises:
        ValueError: it is too long.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"{len(text)} characters; at most {MAX_TEXT_CHARACTERS}")


def check_tool_resources(resources: Any) -> Any:
    """Check how many files and vector stores there are.

    Raises:
        ValidationError: with everything that is wrong.
    """
    if isinstance(resources, dict):
        _raise(_resource_problems(resources))
    return resources


def _resource_problems(resources: dict[Any, Any]) -> Iterator[InitErrorDetails]:
    for (tool, name), (most, what) in _MOST.items():
        of_tool = resources.get(tool)
        listed = of_tool.get(name) if isinstance(of_tool, dict) else None
        if isinstance(listed, list) and len(listed) > most:
            yield _wrong((tool, name), f"has {len(listed)}; at most {most} {what}")


def _metadata_problems(metadata: dict[Any, Any], most: int, why: str) -> Iterator[InitErrorDetails]:
    if len(metadata) > most:
        yield _wrong((), f"has {len(metadata)} pairs; at most {most}{why}")
    for key, value in metadata.items():
        if not 0 < len(key) <= 64:
            yield _wrong((key,), f"the key has {len(key)} characters; 1 to 64 are allowed")
        if key == RUN_KEY_METADATA:
            yield _wrong((key,), "the key is reserved for the run key")
        if not isinstance(value, str):
            yield _wrong((key,), "must be a text")
        elif len(value) > 512:
            yield _wrong((key,), f"the value has {len(value)} characters; at most 512")


def _raise(problems: Iterator[InitErrorDetails]) -> None:
    if found := list(problems):
        raise ValidationError.from_exception_data("limits", found)


def _wrong(path: tuple[str, ...], text: str) -> InitErrorDetails:
    return {"type": PydanticCustomError("limit", "{text}", {"text": text}), "loc": path, "input": None}
