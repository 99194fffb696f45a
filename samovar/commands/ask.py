"""``samovar ask``: one question, the answer with its sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.answers import print_answer, print_below
from samovar.commands.draft import Draft
from samovar.commands.help import Command
from samovar.commands.indexing import open_searcher
from samovar.commands.options import Json, Sources, as_text, check_sources
from samovar.commands.session import Interrupts, session_of
from samovar.commands.terminal import Terminal, one_line
from samovar.errors import UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.assistant.answer import Answer, Event

TITLES_SHOWN = 3  # titles announced while a language model thinks

NAME = "ask"


def complete_models(incomplete: str) -> list[str]:
    """Return names of usable models, for the shell."""
    from samovar.commands.session import state_home
    from samovar.generate.registry import list_models

    return [info.name for info in list_models(state_home()) if info.installed and info.name.startswith(incomplete)]


Model = Annotated[
    str, typer.Option("--model", metavar="metavar.name", help="option.model", autocompletion=complete_models)
]


def ask(
    ctx: typer.Context,
    question: Annotated[list[str], typer.Argument(metavar="metavar.question", help="ask.question")],
    k: Annotated[int | None, typer.Option("-k", metavar="metavar.number", min=1, max=50, help="ask.k")] = None,
    source: Sources = None,
    language: Annotated[
        list[str] | None, typer.Option("--language-filter", metavar="metavar.language", help="option.language")
    ] = None,
    model: Model = "",
    show_sources: Annotated[bool, typer.Option("--show-sources/--no-sources", help="ask.show_sources")] = True,
    json: Json = False,
) -> None:
    """Answer and print; the words of the question need no quotes."""
    session = session_of(ctx)
    terminal = session.terminal
    text = as_text(" ".join(question)).strip()
    if not text:
        raise UsageError(say("ask.empty"))
    flags = {"search": {"top_k": k}, "assistant": {"passages": k}, "generate": {"model": model or None}}
    with session.open(**flags) as samovar:
        from samovar.generate.model import Cancel
        from samovar.search.query import Filters

        check_sources(samovar.library, source)
        open_searcher(samovar, terminal)
        cancel = Cancel()
        filters = Filters(sources=tuple(source or ()), languages=tuple(language or ()))
        with Interrupts(cancel.set) as interrupts:
            events = samovar.assistant.stream(text, filters=filters, cancel=cancel)
            answer = follow(events, terminal, quiet=json)
        if json:
            from samovar.assistant.as_json import answer_as_json

            terminal.json(answer_as_json(answer))
        else:
            print_answer(answer, terminal)
            print_below(answer, terminal, sources=show_sources)
        if interrupts.happened:
            raise KeyboardInterrupt


def follow(events: Iterator[Event], terminal: Terminal, *, quiet: bool) -> Answer:
    """Show a streamed answer as a draft where there is a terminal to show it on; return the finished one."""
    from samovar.assistant.answer import Delta, Done, Found

    draft = Draft(terminal)
    live = terminal.can_erase and not quiet
    answer: Answer | None = None
    try:
        for event in events:
            if isinstance(event, Found) and live and terminal.err_is_terminal:
                _announce(event, terminal)
            elif isinstance(event, Delta) and live:
                draft.add(event.text)
            elif isinstance(event, Done):
                answer = event.answer
    finally:
        draft.take_back()
    assert answer is not None, "a stream ends with Done"
    return answer


def _announce(event: Any, terminal: Terminal) -> None:
    """Name what was found, before the model has said a word."""
    titles = list(dict.fromkeys(one_line(hit.document.title) for hit in event.hits if hit.document.title))
    if titles:
        more = "…" if len(titles) > TITLES_SHOWN else ""
        terminal.note(say("ask.reading", titles=", ".join(titles[:TITLES_SHOWN]) + more))


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="ask.help", epilog="ask.examples")(ask)
