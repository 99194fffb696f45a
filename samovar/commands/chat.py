"""``samovar chat``: a conversation on the terminal, kept on disk.

Reads a line, answers or obeys a ``/command``, until the end of the input. Works without a terminal: then it reads lines
from stdin and prints no prompt. Ctrl-C stops an answer; twice, or Ctrl-D, leaves.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from samovar.commands.answers import print_answer, print_below
from samovar.commands.ask import Model, follow
from samovar.commands.chat_commands import ChatCommands
from samovar.commands.failures import explain_error
from samovar.commands.help import Command
from samovar.commands.indexing import open_searcher
from samovar.commands.options import Json, as_text
from samovar.commands.session import Interrupts, Session, session_of
from samovar.commands.terminal import BOLD, CYAN, RED, clean
from samovar.errors import SamovarError
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.app import Samovar
    from samovar.assistant.answer import Answer
    from samovar.assistant.assistant import Turn
    from samovar.assistant.conversation import Conversation

NAME = "chat"


def chat(
    ctx: typer.Context,
    continued: Annotated[str, typer.Option("--continue", metavar="metavar.conversation", help="chat.continue")] = "",
    model: Model = "",
    json: Json = False,
) -> None:
    """Open everything, talk until the end, close."""
    from samovar.assistant.conversation import Conversation

    session = session_of(ctx)
    samovar = session.open(generate={"model": model or None})
    home = samovar.settings.home
    conversation = Conversation.load(home, continued) if continued else Conversation.create(home)
    talk = Chat(session, samovar, conversation, json=json)
    try:
        talk.run()
    finally:
        talk.samovar.close()
    if talk.failed and not talk.answered and not sys.stdin.isatty():
        raise typer.Exit(1)  # a script that pipes questions in must notice that none was answered


class Chat:
    """An open conversation: what was said (`history`), and the last answer for the commands that look back at it."""

    def __init__(self, session: Session, samovar: Samovar, conversation: Conversation, *, json: bool = False) -> None:
        self.session = session
        self.terminal = session.terminal
        self.samovar = samovar
        self.json = json
        self.commands = ChatCommands(self)
        self.leaving = False
        self.answered = self.failed = 0
        self.resume(conversation)

    def resume(self, conversation: Conversation) -> None:
        """Go on with a conversation, new or loaded."""
        self.conversation = conversation
        self.history = restore_turns(conversation)
        self.answer: Answer | None = self.history[-1].answer if self.history else None

    # -- the loop ---------------------------------------------------------------------------------------------------
    def run(self) -> None:
        """Talk until the input ends or `/quit`."""
        if sys.stdin.isatty():
            self.terminal.note(say("chat.welcome", model=self.samovar.settings.generate.model))
            self._prepare_line_editing()
        if self.history:
            self.terminal.note(say("chat.continued", title=clean(self.conversation.title), count=len(self.history)))
        with suppress(KeyboardInterrupt):  # a second Ctrl-C leaves, wherever it falls
            self._loop()
        if self.conversation.turns:
            self.terminal.note(say("chat.kept", id=self.conversation.id))

    def _loop(self) -> None:
        interrupted = False
        while not self.leaving:
            try:
                line = self._read_line()
            except KeyboardInterrupt:
                if interrupted:
                    return
                interrupted = True
                self.terminal.note("\n" + say("chat.again_to_leave"))
                continue
            interrupted = False
            if line is None:
                return
            if line.strip():
                self.take(line.strip())

    def _read_line(self) -> str | None:
        """Return the next line, None at the end of the input."""
        if not sys.stdin.isatty():
            return as_text(line) if (line := sys.stdin.readline()) else None
        prompt = say("chat.prompt") + " "
        if not self.terminal.out_is_terminal:  # `input` would mix the prompt into the results
            self.terminal.err.write(prompt)
            self.terminal.err.flush()
            return sys.stdin.readline() or None
        if self.terminal.out_colour and "readline" in sys.modules:
            # readline must know which characters take no room, or it misplaces the cursor: \x01 and \x02 enclose them
            prompt = f"\x01\x1b[{BOLD};{CYAN}m\x02{prompt}\x01\x1b[0m\x02"
        try:
            self.terminal.print()
            return input(prompt)
        except EOFError:
            self.terminal.print()
            return None

    def _prepare_line_editing(self) -> None:
        try:
            import readline
        except ImportError:  # a Python without it still reads lines
            return
        readline.set_completer_delims(" ")
        readline.set_completer(self.commands.complete)
        readline.parse_and_bind("tab: complete")

    def take(self, line: str) -> None:
        """Obey a command or answer a question; a failure is reported and the conversation goes on."""
        try:
            if line.startswith("/"):
                self.commands.obey(line)
            else:
                self.ask(line)
        except SamovarError as error:
            self.failed += 1
            self.terminal.note(clean(explain_error(error)), style=RED)
        self.terminal.flush()

    # -- a question -------------------------------------------------------------------------------------------------
    def ask(self, question: str) -> None:
        """Answer, print, and write both turns to the disk."""
        from samovar.assistant.as_json import answer_as_json
        from samovar.assistant.assistant import Turn
        from samovar.generate.model import Cancel

        open_searcher(self.samovar, self.terminal)
        cancel = Cancel()
        with Interrupts(cancel.set):
            events = self.samovar.assistant.stream(question, history=self.history, cancel=cancel)
            answer = follow(events, self.terminal, quiet=self.json)
        record = answer_as_json(answer)
        self.conversation.append("user", question)
        self.conversation.append("assistant", answer.text, record)
        self.history.append(Turn(question, answer))
        self.answer = answer
        self.answered += 1
        if self.json:
            self.terminal.json(record, line=True)
            return
        print_answer(answer, self.terminal)
        print_below(answer, self.terminal)
        if not self.terminal.out_is_terminal:
            self.terminal.print()

    def use_model(self, name: str) -> None:
        """Answer with another model from now on, in this conversation only."""
        samovar = self.session.open(generate={"model": name})
        try:
            _ = samovar.model  # fails here, before the old one is closed
        except BaseException:
            samovar.close()
            raise
        self.samovar.close()
        self.samovar = samovar


def restore_turns(conversation: Conversation) -> list[Turn]:
    """Return the exchanges of a conversation from the disk; a question without an answer is left out."""
    from samovar.assistant.as_json import answer_from_json
    from samovar.assistant.assistant import Turn

    turns: list[Turn] = []
    question = ""
    for turn in conversation.turns:
        if turn.role == "user":
            question = turn.text
        elif question and turn.answer is not None:
            turns.append(Turn(question, answer_from_json(turn.text, turn.answer)))
            question = ""
    return turns


def register(app: Any) -> None:
    """Add the command."""
    app.command(NAME, cls=Command, help="chat.help", epilog="chat.examples")(chat)
