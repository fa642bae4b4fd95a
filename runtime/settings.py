"""Settings: one frozen object per process, read once from the environment, validated, printed without secrets."""

from __future__ import annotations

import difflib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from runtime.exit_codes import ExitCode
from runtime.log_levels import parse as parse_levels

PREFIX = "ORDERMESH_"
FILE_SUFFIX = "_FILE"
# Written by `ordermesh settings --names`: each variable with the programs that have it as a setting.
ALL_NAMES = "setting_names.txt"


class SecretFiles(PydanticBaseSettingsSource):
    """Reads ORDERMESH_X from the file that ORDERMESH_X_FILE names."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Return the text of the file without trailing newlines, parsed as JSON for an object; None without a file."""
        variable = f"{variable_of(field_name, field)}{FILE_SUFFIX}"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            text = Path(path).read_text().rstrip("\n")
        except (OSError, UnicodeError) as error:
            raise ValueError(f"{variable}: {path} cannot be read: {error}") from error
        if not self.field_is_complex(field):
            return text, field_name, False
        try:
            return json.loads(text), field_name, True
        except ValueError:
            raise SettingsError(f'no JSON for field "{field_name}"') from None

    def __call__(self) -> dict[str, Any]:
        """Return the fields that are set by files."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """Settings of every service; services add their own."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    log_level: str = Field(
        default="info",
        description="Minimum level of log lines, debug, info, warning or error, and of single loggers: "
        "`info,orders.outbox=debug`. A file of ORDERMESH_LOG_LEVEL_FILE is read again when it changes.",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="Format of log lines: JSON for programs, console for people."
    )
    log_customer_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key that hashes customer ids in log lines (HMAC-SHA-256, `user.hash`). Without it they are "
        "written as they are (`user.id`).",
    )

    @field_validator("log_level")
    @classmethod
    def levels_are_known(cls, levels: str) -> str:
        """Reject what is no list of levels."""
        parse_levels(levels)
        return levels

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources by precedence: arguments, environment, *_FILE files."""
        return init_settings, env_settings, SecretFiles(settings_cls)

    @classmethod
    def load(cls) -> Self:
        """Read the settings; print the invalid ones and exit with CONFIG when there are any."""
        own = [name for name, field in cls.model_fields.items() if variable_of(name, field).startswith(PREFIX)]
        problems = list(unknown_settings(os.environ, own))
        try:
            settings = cls()
            if not problems:
                return settings
        except ValidationError as error:
            problems += [explain(dict(problem)) for problem in error.errors()]
        except SettingsError as error:
            problems.append(explain_source(str(error)))
        except (OSError, ValueError) as error:
            problems.append(str(error))
        print("\n".join(f"setting {problem}" for problem in problems), file=sys.stderr)
        sys.exit(ExitCode.CONFIG)

    def shown(self) -> dict[str, object]:
        """Return the settings for a log line, with secrets masked."""
        return {
            name: "***" if isinstance(value, SecretStr) else value for name, value in self if name != "kafka_properties"
        }


def variable_of(name: str, field: FieldInfo) -> str:
    """Return the variable of a setting: its standard name if it has one, else its own with our prefix."""
    standard = field.validation_alias
    return standard if isinstance(standard, str) else f"{PREFIX}{name.upper()}"


def unknown_settings(variables: Collection[str], own: Collection[str] = ()) -> Iterator[str]:
    """Yield a message for each unknown ORDERMESH_ variable, with the closest setting; `own` are known fields."""
    given = {name.removeprefix(PREFIX) for name in variables if name.startswith(PREFIX)}
    known = {name.upper() for name in own}
    if given <= known:
        return
    known |= {name.removeprefix(PREFIX) for name in programs_by_setting() if name.startswith(PREFIX)}
    known |= {f"{name}{FILE_SUFFIX}" for name in known}
    for name in sorted(given - known):
        near = difflib.get_close_matches(name, known, 1)
        remedy = f"did you mean {PREFIX}{near[0]}?" if near else "`ordermesh settings` lists all"
        yield f"{PREFIX}{name} does not exist; {remedy}"


def programs_by_setting() -> dict[str, set[str]]:
    """Return all variables, each with the programs that have it as a setting, such as `orders serve`."""
    rows = (line.split(": ") for line in files("runtime").joinpath(ALL_NAMES).read_text().splitlines())
    return {variable: set(programs.split(", ")) for variable, programs in rows}


def settings_of(program: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the variables in `env` that are settings of a program, by value or by file: no other secret reaches it."""
    own = {variable for variable, programs in programs_by_setting().items() if program in programs}
    own |= {f"{variable}{FILE_SUFFIX}" for variable in own}
    return {variable: value for variable, value in env.items() if variable in own}


def require_extra(package: str, extra: str) -> None:
    """Raise ValueError when a package is missing that comes with an extra of the distribution."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"needs a package that is not installed: pip install 'ordermesh[{extra}]'")


def explain(problem: dict[str, Any]) -> str:
    """Return a message with the variable, what is required and its value."""
    if not problem["loc"]:
        # Of several settings, which the message names.
        return str(problem["msg"]).removeprefix("Value error, ")
    field, *parts = map(str, problem["loc"])
    name = field if field.isupper() else PREFIX + field.upper()
    if problem["type"] == "missing":
        return f"{name} is required (or {name}_FILE)"
    # Kafka properties may contain a password.
    secret = name.endswith(("_DSN", "_KEY", "_KEYS", "_PASSWORD", "_PROPERTIES", "_HEADERS"))
    return ": ".join([name, *parts, problem["msg"]]) + ("" if secret else f" (is {problem['input']!r})")


def explain_source(message: str) -> str:
    """Return a message with the variable, from the library's message about invalid JSON."""
    found = re.search(r'field "(\w+)"', message)
    return f'{PREFIX}{found[1].upper()} must be a JSON object such as {{"acks": "all"}}' if found else message
