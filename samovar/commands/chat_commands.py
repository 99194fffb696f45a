"""What can be typed in a chat besides questions: ``/sources``, ``/open N``, ``/history`` and the rest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from samovar.commands.answers import FOUND_SHOWN, print_found, print_sources
from samovar.commands.quoting import quote_in_context
from samovar.commands.terminal import BOLD, CYAN, DIM, clean, one_line
from samovar.errors import HomeError, UsageError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.commands.chat import Chat


class Place(NamedTuple):
    """A stretch of a document that can be opened, and what stands out in it."""

    document_id: str
    start: int
    end: int
    marks: tuple[tuple[int, int], ...] = ()


class ChatCommands:
    """The commands of one chat. `names` maps each to its method; `/help` lists them in this order."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.terminal = chat.terminal
        self.names: dict[str, Callable[[str], None]] = {
            "/sources": self.show_sources,
            "/open": self.open_place,
            "/new": self.start_new,
            "/history": self.show_history,
            "/export": self.export,
            "/model": self.show_model,
            "/help": self.show_help,
            "/quit": self.leave,
        }

    def obey(self, line: str) -> None:
        """Run a command; the beginning of its name is enough when it is no other's.

        Raises:
            UsageError: there is no such command.
        """
        name, _, argument = line.partition(" ")
        found = [known for known in self.names if known == name] or [
            known for known in self.names if known.startswith(name)
        ]
        if len(found) != 1 or name == "/":
            raise UsageError(say("chat.no_command", name=clean(name), known=" ".join(self.names)))
        self.names[found[0]](argument.strip())

    def complete(self, text: str, state: int) -> str | None:
        """Complete the name of a command (`readline` asks for the first, second, … completion)."""
        found = [f"{name} " for name in self.names if text.startswith("/") and name.startswith(text)]
        return found[state] if state < len(found) else None

    # -- looking back at the last answer ------------------------------------------------------------------------------
    def show_sources(self, argument: str) -> None:
        """Print the sources of the last answer, or what was found instead."""
        answer = self.chat.answer
        if answer is None:
            raise UsageError(say("chat.no_answer"))
        if answer.citations:
            print_sources(answer.citations, self.terminal)
            return
        if not answer.hits:
            self.terminal.print(say("chat.no_sources"))
        for number, hit in enumerate(answer.hits[:FOUND_SHOWN], start=1):
            print_found(number, hit, self.terminal)

    def open_place(self, argument: str) -> None:
        """Print a quote in its document, with what stands around it."""
        place = self._places().get(int(argument) if argument.isdecimal() else 1 if not argument else -1)
        if place is None:
            numbers = ", ".join(map(str, self._places())) or "—"
            raise UsageError(say("chat.no_number", number=clean(argument) or "1", numbers=numbers))
        document = self.chat.samovar.library.document(place.document_id)
        self.terminal.print(self.terminal.style(one_line(document.title) or one_line(document.uri), BOLD))
        about = ", ".join(
            part for part in (document.publisher, document.published, document.licence, document.uri) if part
        )
        self.terminal.print(self.terminal.style(one_line(about), DIM))
        self.terminal.print()
        self.terminal.print(quote_in_context(document.text, place.start, place.end, self.terminal, place.marks))

    def _places(self) -> dict[int, Place]:
        """What can be opened: the citations of the last answer, or what was found when there are none."""
        answer = self.chat.answer
        if answer is None:
            raise UsageError(say("chat.no_answer"))
        if answer.citations:
            return {c.number: Place(c.document_id, c.start, c.end) for c in answer.citations}
        shown = answer.hits[:FOUND_SHOWN]
        return {
            number: Place(hit.passage.document_id, hit.passage.start, hit.passage.end, hit.highlights)
            for number, hit in enumerate(shown, start=1)
        }

    # -- the conversation ---------------------------------------------------------------------------------------------
    def start_new(self, argument: str) -> None:
        """Begin a new conversation; the old one stays on the disk."""
        from samovar.assistant.conversation import Conversation

        self.chat.resume(Conversation.create(self.chat.samovar.settings.home))
        self.terminal.note(say("chat.new"))

    def show_history(self, argument: str) -> None:
        """Print what was said so far."""
        if not self.chat.conversation.turns:
            self.terminal.print(say("chat.nothing_said"))
        for turn in self.chat.conversation.turns:
            who = say("chat.you") if turn.role == "user" else say("chat.samovar")
            self.terminal.print(f"{self.terminal.style(who, BOLD, CYAN)} {clean(turn.text)}")

    def export(self, argument: str) -> None:
        """Write the conversation to a new file: JSON when its name ends so, else Markdown."""
        if not argument:
            raise UsageError(say("chat.export_where"))
        if not self.chat.conversation.turns:
            raise UsageError(say("chat.nothing_said"))
        path = Path(argument).expanduser()
        conversation = self.chat.conversation
        text = conversation.export_json() + "\n" if path.suffix.lower() == ".json" else conversation.export_markdown()
        try:
            with path.open("x", encoding="utf-8", errors="replace") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise UsageError(say("chat.export_exists", path=clean(str(path)))) from error
        except OSError as error:
            raise HomeError(
                say("chat.export_failed", path=clean(str(path)), reason=error.strerror or str(error))
            ) from error
        self.terminal.print(say("chat.exported", path=clean(str(path))))

    def show_model(self, argument: str) -> None:
        """Print which model answers, or change to the one named."""
        if argument:
            self.chat.use_model(argument)
        self.terminal.print(say("chat.model", name=clean(self.chat.samovar.settings.generate.model)))

    def show_help(self, argument: str) -> None:
        """Print the commands."""
        rows = [(say(f"chat.usage.{name[1:]}"), say(f"chat.about.{name[1:]}")) for name in self.names]
        self.terminal.table(rows, indent="  ")

    def leave(self, argument: str) -> None:
        """End the chat."""
        self.chat.leaving = True
