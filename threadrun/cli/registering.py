"""Register commands so that the global options may stand before or after the command's name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from threadrun.cli.exit_codes import ExitCode
from threadrun.cli.invocation import GlobalOptions, Invocation, OutputForm
from threadrun.errors import ThreadrunError

P = ParamSpec("P")

_PANEL = "Global options"

RedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis-url",
        metavar="URL",
        show_default=False,
        rich_help_panel=_PANEL,
        help="Where Redis is; by default what THREADRUN_REDIS_URL says, else redis://127.0.0.1:6379/0.",
    ),
]
KeyPrefix = Annotated[
    str | None,
    typer.Option(
        "--key-prefix",
        metavar="PREFIX",
        show_default=False,
        rich_help_panel=_PANEL,
        help="What all keys begin with; by default what THREADRUN_KEY_PREFIX says, else threadrun:.",
    ),
]
Output = Annotated[
    OutputForm | None,
    typer.Option(
        "--output",
        "-o",
        show_default=False,
        rich_help_panel=_PANEL,
        help="table (default) for people; json: one document with stable field names, for programs.",
    ),
]


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_GLOBAL = (
    _parameter("output", Output, None),
    _parameter("redis_url", RedisUrl, None),
    _parameter("key_prefix", KeyPrefix, None),
)


def command(
    app: typer.Typer, name: str
) -> Callable[[Callable[Concatenate[Invocation, P], ExitCode]], Callable[..., ExitCode]]:
    """Register a function as a command: it gets an Invocation, and its errors become exit codes."""

    def register(serve: Callable[Concatenate[Invocation, P], ExitCode]) -> Callable[..., ExitCode]:
        def wrapper(**values: Any) -> ExitCode:
            context: typer.Context = values.pop("context")
            own = GlobalOptions(values.pop("redis_url"), values.pop("key_prefix"), values.pop("output"))
            return _serve(Invocation(own.over(context.obj)), serve, values)

        own_parameters = list(inspect.signature(serve, eval_str=True).parameters.values())[1:]
        shown = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in (_parameter("context", typer.Context), *own_parameters, *_GLOBAL)
        ]
        wrapper.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]  # what typer reads
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
        wrapper.__doc__ = serve.__doc__
        app.command(name)(wrapper)
        return wrapper

    return register


def _serve(invocation: Invocation, serve: Callable[..., ExitCode], values: dict[str, Any]) -> ExitCode:
    try:
        return serve(invocation, **values)
    except ThreadrunError as error:
        return invocation.fail(error)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.PIPE_CLOSED
    finally:
        invocation.close()
