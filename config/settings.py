"""The settings of a deployment, read from THREADRUN_… variables and a `.env` file.

`THREADRUN_ENGINE__LEASE_SECONDS=30` sets `settings.engine.lease_seconds`;
`THREADRUN_PROFILES__DEFAULT__BASE_URL=…` configures the profile called "default".
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.profile import PROFILE_NAME, Profile
from config.relations import relation_problems
from config.secret_url import SecretUrl
from config.sections import EngineSettings, FlowerSettings, LogSettings, ToolsSettings
from config.variables import (
    DELIMITER,
    PREFIX,
    VariablesSource,
    read_variables,
    unknown_variables,
    variable_name,
)
from threadrun.errors import Problem, SettingsInvalid
from threadrun.keys import DEFAULT_PREFIX
from threadrun.plain_words import plainly
from threadrun.redis_urls import DEFAULT_REDIS_URL, AddressKind, RedisAddress

_KEY_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_AMQP = re.compile(r"(amqps?|pyamqp)://.+", re.IGNORECASE)


class Settings(BaseSettings):
    """Hold every setting; build it with `load_settings`, which reports all problems at once."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    redis_url: SecretUrl = SecretUrl(DEFAULT_REDIS_URL)
    """The Redis that holds records, agenda and ledger."""
    redis_sentinel_master: str | None = Field(default=None, min_length=1, max_length=256)
    """The master's name, where the URL is sentinel://."""
    redis_sentinel_password: SecretStr | None = None
    """The sentinels' own password, where they have one."""
    broker_url: SecretUrl | None = None
    """Celery's broker; none: the server of `redis_url`."""
    key_prefix: str = DEFAULT_PREFIX
    """What every Redis key of this deployment begins with."""
    profiles: dict[str, Profile] = Field(default_factory=dict)
    """The providers, by the name that requests use."""
    tools: ToolsSettings = Field(default_factory=ToolsSettings)
    """Which handlers are served."""
    engine: EngineSettings = Field(default_factory=EngineSettings)
    """Times and limits."""
    log: LogSettings = Field(default_factory=LogSettings)
    """How lines are logged."""
    flower: FlowerSettings = Field(default_factory=FlowerSettings)
    """How Flower is entered."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is given and nothing from the surroundings: `load_settings` reads those."""
        return (init_settings,)

    @field_validator("redis_url")
    @classmethod
    def _redis_can_be_used(cls, url: SecretUrl) -> SecretUrl:
        return SecretUrl(RedisAddress.parse(url.get_secret_value()).url)

    @field_validator("broker_url")
    @classmethod
    def _broker_can_be_used(cls, url: SecretUrl | None) -> SecretUrl | None:
        if url is None or _AMQP.fullmatch(url.get_secret_value()):
            return url
        return SecretUrl(RedisAddress.parse(url.get_secret_value()).url)

    @field_validator("key_prefix")
    @classmethod
    def _prefix_is_plain(cls, prefix: str) -> str:
        if not _KEY_PREFIX.fullmatch(prefix):
            raise ValueError("must be 1 to 64 of A-Z a-z 0-9 . _ : -")
        return prefix

    @field_validator("profiles")
    @classmethod
    def _profile_names_are_plain(cls, profiles: dict[str, Profile]) -> dict[str, Profile]:
        for name in profiles:
            if not PROFILE_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a profile's name: 1 to 64 of a-z 0-9 _ -")
        return profiles

    @model_validator(mode="after")
    def _hang_together(self) -> Settings:
        problems = [*_sentinel_problems(self), *relation_problems(self)]
        if problems:
            raise SettingsInvalid(problems)
        return self

    @property
    def redis_address(self) -> RedisAddress:
        """The parts of `redis_url`."""
        return RedisAddress.parse(self.redis_url.get_secret_value())

    @property
    def broker_address(self) -> RedisAddress | None:
        """The parts of the broker's URL; none when the broker is not a Redis."""
        if self.broker_url is None:
            return self.redis_address
        url = self.broker_url.get_secret_value()
        return None if _AMQP.fullmatch(url) else RedisAddress.parse(url)

    def require_profiles(self) -> dict[str, Profile]:
        """Give the profiles; a worker of the `runs` queue cannot work without one.

        Raises:
            SettingsInvalid: None is configured, or one of them needs a package that is not installed.
        """
        if not self.profiles:
            name = variable_name("profiles.default.base_url")
            raise SettingsInvalid([Problem(name, "no provider is configured; set it to its URL")])
        entra = [name for name, profile in self.profiles.items() if profile.credential == "entra"]
        if entra and not _is_installed("azure", "identity"):
            remedy = "entra needs azure-identity; pip install 'threadrun[azure]'"
            raise SettingsInvalid(
                [Problem(variable_name(f"profiles.{name}.credential"), remedy) for name in entra]
            )
        return self.profiles

    def secret_values(self) -> frozenset[str]:
        """Collect every secret, so that logs can be kept clean of them."""
        keys = [profile.api_key for profile in self.profiles.values()]
        secrets = [*keys, self.flower.password, self.redis_sentinel_password]
        found = {secret.get_secret_value() for secret in secrets if secret is not None}
        found |= {url.password or "" for url in (self.redis_url, self.broker_url) if url is not None}
        return frozenset(found - {""})


def load_settings(environ: Mapping[str, str] | None = None, env_file: str | Path | None = ".env") -> Settings:
    """Read the settings and report all that is wrong with them at once.

    Args:
        environ: The variables; none: the process's environment.
        env_file: A file of further variables, beneath the environment; none: no file.

    Raises:
        SettingsInvalid: with one problem for each variable that is unknown, unreadable, out of bounds or at
            odds with another. No text repeats a value that may be a secret.
    """
    variables, problems = read_variables(os.environ if environ is None else environ, env_file)
    unknown = unknown_variables(Settings, variables)
    known = {name: value for name, value in variables.items() if name not in unknown}
    settings, invalid = _validated(known)
    problems = [*problems, *unknown.values(), *invalid]
    if problems or settings is None:
        raise SettingsInvalid(problems)
    return settings


def _validated(variables: Mapping[str, str]) -> tuple[Settings | None, list[Problem]]:
    try:
        return _build(variables), []
    except ValidationError as error:
        problems = _problems(error)
        if any(not item["loc"] for item in error.errors(include_url=False, include_input=False)):
            return None, problems
    return None, problems + _further_problems(variables, {problem.path for problem in problems})


def _further_problems(variables: Mapping[str, str], invalid: set[str]) -> list[Problem]:
    # Relations are judged only when every value is valid; so they are judged again without the invalid ones.
    # A profile loses all of its variables, since it cannot be built without some of them.
    broken = {
        DELIMITER.join(name.split(DELIMITER)[:2]) for name in invalid if name.startswith(f"{PREFIX}PROFILES")
    }
    rest = {
        name: value
        for name, value in variables.items()
        if name not in invalid and DELIMITER.join(name.split(DELIMITER)[:2]) not in broken
    }
    try:
        _build(rest)
    except ValidationError as error:
        return [problem for problem in _problems(error) if not any(name in str(problem) for name in invalid)]
    return []


def _build(variables: Mapping[str, str]) -> Settings:
    return Settings(**VariablesSource(Settings, variables)())


def _problems(error: ValidationError) -> list[Problem]:
    problems: list[Problem] = []
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, SettingsInvalid):
            problems.extend(cause.problems)
        else:
            text = plainly(item["type"], item.get("ctx", {}), item["msg"])
            problems.append(Problem(_variable(item["loc"]), text))
    return problems


def _variable(location: tuple[int | str, ...]) -> str:
    # Inside a list or mapping the variable is the whole of it.
    depth = 3 if location[:1] == ("profiles",) else 2
    depth += location[depth - 1 : depth] == ("poll",)
    parts = [part for part in location[:depth] if isinstance(part, str)]
    return variable_name(parts) if parts else PREFIX.rstrip("_")


def _sentinel_problems(settings: Settings) -> list[Problem]:
    addresses = (settings.redis_address, settings.broker_address)
    sentinels = any(address and address.kind is AddressKind.SENTINEL for address in addresses)
    if sentinels and not settings.redis_sentinel_master:
        return [Problem(variable_name("redis_sentinel_master"), "is required with a sentinel:// URL")]
    if not sentinels and (settings.redis_sentinel_master or settings.redis_sentinel_password):
        name = "redis_sentinel_master" if settings.redis_sentinel_master else "redis_sentinel_password"
        return [Problem(variable_name(name), "has no effect: no URL is sentinel://; remove it")]
    return []


def _is_installed(package: str, module: str) -> bool:
    return find_spec(package) is not None and find_spec(f"{package}.{module}") is not None
