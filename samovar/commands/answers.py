"""An answer on the terminal: its text with numbered markers, what is not supported, its sources or what was found.

Knows the records of the assistant room, not how they come about.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samovar.commands.quoting import indent_wrapped, snippet_line
from samovar.commands.said import in_own_words
from samovar.commands.terminal import BOLD, CYAN, DIM, YELLOW, Terminal, clean, one_line
from samovar.messages import say

if TYPE_CHECKING:
    from samovar.assistant.answer import Answer, Citation
    from samovar.search.hit import Hit

QUOTE_BAR = "    │ "  # a bar beside it, not quotation marks around it: quotes hold quotation marks of every language
FOUND_SHOWN = 3  # hits listed under an abstention: enough to see what the library has, short enough to read


def answer_text(answer: Answer, terminal: Terminal) -> str:
    """Return the text with every unsupported sentence followed by a mark."""
    out, at = "", 0
    for sentence in answer.sentences:
        out += clean(answer.text[at : sentence.end])
        at = sentence.end
        if not sentence.supported:
            out += " " + terminal.style(say("answer.unsupported_mark"), YELLOW)
    return out + clean(answer.text[at:])


def print_answer(answer: Answer, terminal: Terminal) -> None:
    """Print the text; an abstention looks like one."""
    if answer.status == "abstained":
        terminal.print(terminal.style(clean(answer.text), BOLD, YELLOW))
    else:
        terminal.print(answer_text(answer, terminal))


def print_below(answer: Answer, terminal: Terminal, *, sources: bool = True) -> None:
    """Print what follows the text: the meaning of the marks, the sources or what was found, the notes."""
    if any(not sentence.supported for sentence in answer.sentences) and answer.status == "answered":
        terminal.print()
        terminal.print(terminal.style(f"{say('answer.unsupported_mark')} {say('answer.unsupported')}", YELLOW))
    if sources and answer.citations:
        terminal.print()
        print_sources(answer.citations, terminal)
    if answer.status == "abstained" and answer.hits:
        terminal.print()
        terminal.print(terminal.style(say("answer.found"), BOLD))
        for number, hit in enumerate(answer.hits[:FOUND_SHOWN], start=1):
            print_found(number, hit, terminal)
    for note in answer.notes:
        terminal.note(clean(in_own_words(note)))


def print_sources(citations: Sequence[Citation], terminal: Terminal) -> None:
    """Print the numbered sources: title, the sentence cited, address."""
    terminal.print(terminal.style(say("answer.sources"), BOLD))
    for citation in citations:
        terminal.print(
            f"{terminal.style(f'[{citation.number}]', BOLD, CYAN)} {terminal.style(one_line(citation.title), BOLD)}"
        )
        for line in indent_wrapped(citation.quote, terminal, QUOTE_BAR).splitlines():
            terminal.print(terminal.style(line, YELLOW))
        terminal.print(terminal.style("    " + one_line(citation.uri), DIM))


def print_found(number: int, hit: Hit, terminal: Terminal) -> None:
    """Print one thing that was found, under an abstention."""
    terminal.print(f"{terminal.style(f'{number}.', BOLD, CYAN)} {terminal.style(title_of(hit), BOLD)}")
    passage = hit.passage
    terminal.print("    " + snippet_line(passage.text, passage.start, hit.snippet, hit.highlights, terminal))
    terminal.print(terminal.style("    " + one_line(hit.document.uri), DIM))


def title_of(hit: Hit) -> str:
    """Return what to call the document of a hit."""
    return one_line(hit.document.title) or one_line(hit.document.uri)
