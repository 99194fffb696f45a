"""Help pages and usage errors in the user's language.

Commands are declared with keys of `samovar.messages` where their texts belong (``help="ask.help"``); `translate` puts the
texts in once the language is known. The page itself is laid out here: Typer's own layouts speak English only, and the one
with colours costs 120 ms to import. Knows no command.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from samovar.messages import Words, current_words, say

MAX_WIDTH = 100
MAX_NAMES = 30  # columns for names of options before their help starts on a line of its own


class Command(TyperCommand):
    """A command with a translated help page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page into the formatter's buffer."""
        formatter.write("\n".join(render_page(self, ctx)) + "\n")


class Group(TyperGroup):
    """A group of commands with a translated help page."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the page into the formatter's buffer."""
        formatter.write("\n".join(render_page(self, ctx)) + "\n")

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the subcommand; an unknown one is a `UnknownCommand`."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            raise UnknownCommand(name, ctx.command_path, tuple(self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


class UnknownCommand(Exception):
    """A word that names no command of this group."""

    def __init__(self, name: str, path: str, known: tuple[str, ...]) -> None:
        super().__init__(name)
        self.name = name
        self.path = path
        self.known = known


def translate(command: Any, words: Words) -> None:
    """Replace, in a command and all below it, every key by its text."""
    for attribute in ("help", "epilog", "short_help", "options_metavar", "subcommand_metavar"):
        _translate_attribute(command, attribute, words)
    for param in command.params:
        if param.name in ("install_completion", "show_completion"):
            param.help = f"option.{param.name}"
        for attribute in ("help", "metavar"):
            _translate_attribute(param, attribute, words)
    for child in getattr(command, "commands", {}).values():
        translate(child, words)


def _translate_attribute(item: Any, attribute: str, words: Words) -> None:
    text = getattr(item, attribute, None)
    if isinstance(text, str) and words.has(text):
        setattr(item, attribute, words.say(text))


# -- the page -------------------------------------------------------------------------------------------------------
def render_page(command: Any, ctx: Any) -> Iterator[str]:
    """Yield the lines of a help page: usage, purpose, arguments, options, commands, examples."""
    width = min(MAX_WIDTH, max(40, shutil.get_terminal_size().columns))
    yield f"{say('page.usage')} {ctx.command_path} {' '.join(usage_pieces(command, ctx))}".rstrip()
    yield ""
    for paragraph in (command.help or "").split("\n\n"):
        yield from textwrap.wrap(" ".join(paragraph.split()), width)
        yield ""
    params = [p for p in command.get_params(ctx) if not getattr(p, "hidden", False)]
    arguments = [(p.metavar or p.name.upper(), p.help or "") for p in params if isinstance(p, TyperArgument) and p.help]
    options = [(option_names(p), option_help(p)) for p in params if isinstance(p, TyperOption)]
    children = getattr(command, "commands", {})
    commands = [(name, first_sentence(child.help or "")) for name, child in children.items() if not child.hidden]
    for title, rows in (("commands", commands), ("arguments", arguments), ("options", options)):
        if rows:
            yield say(f"page.{title}")
            yield from _definitions(rows, width)
            yield ""
    if command.epilog:
        yield say("page.examples")
        yield from ("  " + line for line in command.epilog.strip().splitlines())


def usage_pieces(command: Any, ctx: Any) -> list[str]:
    """Return what stands after the name in the usage line."""
    params = command.get_params(ctx)
    pieces = [say("page.options_metavar")] if any(isinstance(p, TyperOption) for p in params) else []
    for param in params:
        if isinstance(param, TyperArgument):
            name = (param.metavar or param.name.upper()) + ("…" if param.nargs != 1 else "")
            pieces.append(name if param.required else f"[{name}]")
    if isinstance(command, TyperGroup):
        metavar = say("page.command_metavar")
        pieces.append(f"[{metavar}]" if command.invoke_without_command else metavar)
    return pieces


def option_names(option: Any) -> str:
    """Return the names of an option with what it takes: ``-k, --top N``."""
    names = ", ".join(sorted(option.opts, key=lambda name: (name.startswith("--"), len(name))))
    if option.secondary_opts:
        names += " / " + ", ".join(option.secondary_opts)
    if option.is_flag or option.name in ("help", "version"):
        return names
    return f"{names} {option.metavar or say('page.value')}"


def option_help(option: Any) -> str:
    """Return the help of an option, with its default where it has one."""
    text = option.help or ""
    if option.name == "help":
        return say("option.help")
    shown = option.default
    if shown in (None, "", False, True, (), []) or option.show_default is False:
        return text
    return f"{text} {say('page.default', value=str(shown))}"


def first_sentence(text: str) -> str:
    """Return the first paragraph up to its first full stop or colon."""
    line = " ".join(text.split("\n\n")[0].split())
    return line.partition(". ")[0].partition(": ")[0].rstrip(".")


def _definitions(rows: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    rows = list(rows)
    left = min(MAX_NAMES, max(len(name) for name, _ in rows)) + 4
    for name, text in rows:
        lines = textwrap.wrap(text, max(20, width - left)) or [""]
        head = f"  {name}".ljust(left)
        if len(name) + 4 > left:
            yield head
        else:
            yield (head + lines.pop(0)).rstrip()
        yield from (" " * left + line for line in lines)


# -- usage errors ---------------------------------------------------------------------------------------------------
def explain_usage_error(error: Exception) -> str:
    """Say what was wrong with the command line, in the user's language; Typer's own words where we have none.

    The kinds are told apart by name: Typer keeps their classes private.
    """
    kind = type(error).__name__
    if isinstance(error, UnknownCommand):
        return _explain_unknown_command(error)
    name = _param_name(getattr(error, "param", None))
    if kind == "MissingParameter":
        return say("usage.missing", name=name)
    if kind == "NoSuchOption":
        close = ", ".join(sorted(getattr(error, "possibilities", None) or ()))
        text = say("usage.no_option", name=getattr(error, "option_name", ""))
        if close:
            return text + " " + say("usage.similar", names=close)
        long = str(getattr(error, "option_name", "")).startswith("--")
        return text if long else text + " " + say("usage.dashes")
    if kind == "BadOptionUsage":
        return say("usage.no_value", name=getattr(error, "option_name", ""))
    if kind == "BadParameter" and name:
        return say("usage.bad_value", name=name, expected=_expected(error))
    message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return say("usage.other", message=message)


def usage_hint(error: Exception) -> str:
    """Return the line that names the help page to read, or ""."""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx is not None else getattr(error, "path", "")
    return say("usage.hint", command=f"{path} --help") if path else ""


def _explain_unknown_command(error: UnknownCommand) -> str:
    from difflib import get_close_matches

    close = get_close_matches(error.name, error.known)
    text = say("usage.no_command", name=error.name)
    if close:
        return text + " " + say("usage.similar", names=", ".join(close))
    if "ask" in error.known and (" " in error.name.strip() or not error.name.isascii()):
        return text + " " + say("usage.question", question=error.name)
    return text


def _param_name(param: Any) -> str:
    if param is None:
        return ""
    return str(max(param.opts, key=len) if isinstance(param, TyperOption) else param.metavar or param.name.upper())


def _bound(value: float) -> str:
    """Write a bound with all the digits it has."""
    digits = next((digits for digits in range(6) if round(value, digits) == value), 6)
    return current_words().number(value, digits)


def _expected(error: Any) -> str:
    """Say which values the parameter takes."""
    param = error.param
    described = param.type_descriptor
    if described.choices:
        return ", ".join(str(getattr(choice, "value", choice)) for choice in described.choices)
    if described.annotation in (int, float):
        low, high = ("" if bound is None else _bound(bound) for bound in (param.min, param.max))
        bounds = f" {low}…{high}" if low and high else f" ≥ {low}" if low else f" ≤ {high}" if high else ""
        return say("usage.number") + bounds
    return str(error.message)
