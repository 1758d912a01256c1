"""Read THREADRUN_… variables and tell those that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from dotenv.parser import parse_stream
from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource

from config.profile import PROFILE_NAME
from threadrun.errors import Problem

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

PREFIX = "THREADRUN_"
"""What every variable begins with."""

DELIMITER = "__"
"""What stands between a section and its member."""

_KUBERNETES = re.compile(
    r"THREADRUN_(?:(?!__).)*(_SERVICE_HOST|_SERVICE_PORT(_.+)?|_PORT(_\d+_(TCP|UDP).*)?)"
)


class VariablesSource(EnvSettingsSource):
    """Nest a given mapping of variables as pydantic-settings nests the environment."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(settings_cls)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._variables.items()}


def variable_name(path: str | Iterable[str | int]) -> str:
    """Name the variable of a setting, from its dotted path or the parts of it."""
    parts = path.split(".") if isinstance(path, str) else [str(part) for part in path]
    return PREFIX + DELIMITER.join(parts).upper()


def read_variables(
    environ: Mapping[str, str], env_file: str | Path | None
) -> tuple[dict[str, str], list[Problem]]:
    """Collect the THREADRUN_… variables of the environment and of a `.env` file; the environment wins.

    Empty ones count as unset. A missing file is no problem; an unreadable one is.
    """
    from_file, problems = _read_file(env_file)
    merged = {
        name.upper(): value
        for source in (from_file, environ)
        for name, value in source.items()
        if name.upper().startswith(PREFIX) and value
    }
    return {name: value for name, value in merged.items() if not _injected(name)}, problems


def _read_file(env_file: str | Path | None) -> tuple[dict[str, str], list[Problem]]:
    if env_file is None or not Path(env_file).exists():
        return {}, []
    try:
        text = Path(env_file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        return {}, [Problem(str(env_file), f"cannot be read: {reason}")]
    # The parser alone, without python-dotenv's interpolation: a `$` in a password is a `$`.
    bindings = list(parse_stream(StringIO(text)))
    problems = [
        Problem(f"{env_file} line {binding.original.line}", "is not NAME=value; mind the quotes")
        for binding in bindings
        if binding.error
    ]
    return {found.key: found.value for found in bindings if found.key and found.value}, problems


def _injected(name: str) -> bool:
    # Kubernetes gives every pod variables for each service; one called threadrun-redis makes
    # THREADRUN_REDIS_SERVICE_HOST and THREADRUN_REDIS_PORT, which are nobody's mistake.
    return DELIMITER not in name and _KUBERNETES.fullmatch(name) is not None


def unknown_variables(model: type[BaseModel], names: Iterable[str]) -> dict[str, Problem]:
    """Find the variables that name no setting, each with what was probably meant."""
    names = list(names)
    known = list(_known(model, names))
    return {name: Problem(name, _advice(model, name, known)) for name in names if name not in known}


def _advice(model: type[BaseModel], name: str, known: list[str]) -> str:
    members = [other for other in known if other.startswith(f"{name}{DELIMITER}")]
    if members:
        return f"is a section, not a setting; set its members, such as {members[0]}"
    parent = next((other for other in known if name.startswith(f"{other}{DELIMITER}")), None)
    if parent:
        return f"{parent} has no members; set {parent} itself"
    # Compared without the prefix, which would make any two names alike.
    tails = [other.removeprefix(PREFIX) for other in known]
    close = get_close_matches(name.removeprefix(PREFIX), tails, n=1)
    hint = (
        f"did you mean {PREFIX}{close[0]}?" if close else "remove it, or see the README's table of settings"
    )
    return f"is not a setting of threadrun; {hint}"


def _known(model: type[BaseModel], names: Iterable[str]) -> Iterator[str]:
    # Profile names are the user's: whatever stands in that place counts as one, so that only what follows
    # it can be unknown. "default" is always there, for the advice.
    profiles = {"DEFAULT"}
    for name in names:
        parts = name.removeprefix(PREFIX).split(DELIMITER)
        if parts[0] == "PROFILES" and len(parts) > 1 and PROFILE_NAME.fullmatch(parts[1].lower()):
            profiles.add(parts[1])
    yield from (variable_name(path) for path in _leaves(model, (), profiles))


def _leaves(model: type[BaseModel], path: tuple[str, ...], profiles: set[str]) -> Iterator[tuple[str, ...]]:
    for name, info in model.model_fields.items():
        here = (*path, name)
        plain = _section(info.annotation)
        named = next((found for kind in get_args(info.annotation) if (found := _section(kind))), None)
        if plain:
            yield from _leaves(plain, here, profiles)
        elif named:
            for profile in sorted(profiles):
                yield from _leaves(named, (*here, profile), profiles)
        else:
            yield here


def _section(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
