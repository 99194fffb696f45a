"""Texts and helpers of the search tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from samovar.corpus.document import Document, make_document
from samovar.library import Library
from samovar.search import Searcher

TEXTS = {
    "gogol": (
        "Мёртвые души",
        "Николай Васильевич Гоголь написал поэму «Мёртвые души» и назвал её поэмой. Первый том вышел в 1842 году в Москве. "
        "Рукопись второго тома автор сжёг.",
    ),
    "pushkin": (
        "Пушкин",
        "Александр Сергеевич Пушкин родился в Москве в 1799 году. Роман в стихах «Евгений Онегин» писался восемь лет. "
        "Пушкин погиб на дуэли в Петербурге.",
    ),
    "bridge": ("Мосты", "Стальной мост через реку построили из стали. Стали ли люди ездить по мосту чаще, неизвестно."),
    "souls": (
        "Перепись",
        "Души крестьян переписывали чиновники. Мёртвые в списки не попадали, если успевали их вычеркнуть.",
    ),
    "router": (
        "Сети",
        "Пакеты маршрутизируются по отдельности, и каждый несёт адрес. HD-качество тут ни при чём, как и Wi-Fi.",
    ),
    "samovar": (
        "Самовар",
        "Самовар кипятит воду для чая. В Туле самовары делают с восемнадцатого века; СССР вывозил их за границу.",
    ),
    "english": (
        "Teapot",
        "A teapot is a vessel used for steeping tea leaves. Pushkin drank tea, but wrote about coffee as well.",
    ),
}


def make_texts(texts: dict[str, tuple[str, str]] = TEXTS, **fields: Any) -> list[Document]:
    """Documents of the texts; the uri is the key."""
    return [
        make_document(
            source=fields.get("source", "test"),
            uri=uri,
            title=title,
            text=text,
            language="en" if text.isascii() else "ru",
            **{k: v for k, v in fields.items() if k != "source"},
        )
        for uri, (title, text) in texts.items()
    ]


Opener = Callable[..., Searcher]


def put(library: Library, documents: Sequence[Document], **options: Any) -> None:
    """Write documents in one transaction."""
    with library.writer(**options) as writer:
        writer.put(documents)


def uris(result: Any) -> list[str]:
    """The documents of the hits, in order."""
    return [hit.document.uri for hit in result.hits]
