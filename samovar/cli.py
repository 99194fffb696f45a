"""The ``samovar`` program: find the language and the state directory, build the commands, run one, report failures.

Exit status: 0 for an answer or an honest abstention, 1 for a failure (its message on stderr), 2 for wrong usage, 130 after
Ctrl-C. Knows no room of the house beyond `errors`; each command imports what it needs when it runs.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samovar.commands.failures import explain_error
from samovar.commands.session import Session, state_home
from samovar.commands.terminal import RED, Terminal, clean
from samovar.errors import SamovarError
from samovar.messages import available_languages, knows_language, locale_language, match_language, say, use_language

PROGRAM = "samovar"
INTERRUPTED = 130
GLOBALS = ("--lang", "--home")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status."""
    given, arguments = take_globals(list(sys.argv[1:] if argv is None else argv))
    harden_streams()
    with environment(SAMOVAR_HOME=_absolute(given.get("--home", "")), SAMOVAR_LANG=given.get("--lang", "")):
        use_language(find_language(os.environ))
        if given.get("--lang") and not knows_language(given["--lang"]):
            known = ", ".join(available_languages())
            message = say("usage.no_language", name=given["--lang"], known=known)
            report(say("error.plain", message=message), Terminal())
            return 2
        session = Session(Terminal(), given.get("--home", ""), {"lang": given["--lang"]} if given.get("--lang") else {})
        try:
            status = run(arguments, session)
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            return leave_quietly(session.terminal)


def run(arguments: Sequence[str], session: Session) -> int:
    """Run one command; every failure ends as a message and a status."""
    from samovar.commands.help import UnknownCommand

    terminal = session.terminal
    try:
        import typer

        result = build_program().main(args=list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=session)
        if result == INTERRUPTED:  # typer turns KeyboardInterrupt into this
            report(say("error.interrupted"), terminal)
        return result if isinstance(result, int) else 0
    except (typer.TyperException, UnknownCommand) as error:
        return report_usage(error, terminal)
    except SamovarError as error:
        report(explain_error(error), terminal)
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):  # before or after typer's own handling
        report(say("error.interrupted"), terminal)
        return INTERRUPTED
    except BrokenPipeError:
        raise
    except SystemExit as leaving:
        if sys.stdout is terminal.out:
            raise
        sys.stdout = terminal.out  # typer wraps it when the pipe is closed, and leaves with status 1
        raise BrokenPipeError from leaving
    except OSError as error:
        report(say("error.system", message=_system_message(error)), terminal)
        show_traceback()
        return 1
    except Exception as error:
        report(say("error.bug", kind=type(error).__name__, message=str(error) or "—"), terminal)
        show_traceback()
        return 1


def build_program() -> Any:
    """Build the tree of commands in the current language."""
    import typer

    from samovar.commands import (
        add,
        ask,
        audit,
        chat,
        corpus,
        export,
        key,
        library,
        mcp,
        model,
        remove,
        search,
        serve,
        settings,
        start,
        train,
        user,
    )
    from samovar.commands.help import translate
    from samovar.messages import current_words

    app = typer.Typer(name=PROGRAM, rich_markup_mode=None, pretty_exceptions_enable=False)
    start.register(app)
    modules = (
        ask,
        chat,
        serve,
        search,
        add,
        remove,
        library,
        model,
        corpus,
        train,
        export,
        audit,
        user,
        key,
        mcp,
        settings,
    )
    for module in modules:
        module.register(app)
    program: Any = typer.main.get_command(app)
    program.commands = {module.NAME: program.commands[module.NAME] for module in modules}  # typer puts groups last
    translate(program, current_words())
    return program


# -- before the commands --------------------------------------------------------------------------------------------
def take_globals(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Take ``--lang`` and ``--home`` out of the arguments, wherever they stand before ``--``; return both.

    An option without a value is left where it is, for the parser to complain about.
    """
    found: dict[str, str] = {}
    rest: list[str] = []
    index = 0
    while index < len(arguments):
        argument = arguments[index]
        name, equals, value = argument.partition("=")
        if argument == "--":
            return found, rest + arguments[index:]
        if name in GLOBALS and (equals or index + 1 < len(arguments)):
            index += 0 if equals else 1
            found[name] = value if equals else arguments[index]
        else:
            rest.append(argument)
        index += 1
    return found, rest


def find_language(env: Mapping[str, str]) -> str:
    """Return the language to speak: SAMOVAR_LANG (where ``--lang`` has been put), the settings file, the locale."""
    named = env.get("SAMOVAR_LANG") or _language_of_file(env)
    return match_language(named) if named else locale_language(env)


def _language_of_file(env: Mapping[str, str]) -> str:
    """Return ``lang`` from the settings file, or ""; a bad file is reported later, when the settings are read."""
    import tomllib

    path = Path(env.get("SAMOVAR_CONFIG") or state_home() / "samovar.toml")
    try:
        return str(tomllib.loads(path.read_text(encoding="utf-8")).get("lang", "")) if path.is_file() else ""
    except (OSError, ValueError):
        return ""


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set variables of the environment that are not empty for the time of a ``with`` block: rooms read them there."""
    before = {name: os.environ.get(name) for name, value in values.items() if value}
    os.environ.update({name: value for name, value in values.items() if value})
    try:
        yield
    finally:
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def harden_streams() -> None:
    """Make the streams survive characters their encoding lacks; give those that are closed (``>&-``) an empty end."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 (open as long as the program)
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


# -- failures -------------------------------------------------------------------------------------------------------
def report(message: str, terminal: Terminal) -> None:
    """Write a failure to stderr, clean of control sequences."""
    terminal.note(clean(message), style=RED)


def report_usage(error: Exception, terminal: Terminal) -> int:
    """Report a mistake in the command line."""
    from samovar.commands.help import explain_usage_error, usage_hint

    report(explain_usage_error(error), terminal)
    if hint := usage_hint(error):
        terminal.note(clean(hint))
    return 2


def _system_message(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return say("error.no_space") + place
    return f"{error.strerror or error}{place}"


def show_traceback() -> None:
    """Print the traceback when SAMOVAR_DEBUG=1."""
    if os.environ.get("SAMOVAR_DEBUG") == "1":
        traceback.print_exc()


def leave_quietly(terminal: Terminal) -> int:
    """The reader of our output has gone (``| head``): say nothing more, also not when Python flushes at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, terminal.out.fileno())
    os.close(nowhere)
    return 0


if __name__ == "__main__":
    sys.exit(main())
