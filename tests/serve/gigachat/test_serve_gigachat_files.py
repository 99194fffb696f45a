"""Files through the official `gigachat` client: uploaded, asked about, deleted, nobody else's; and the asynchronous client with all of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable

import pytest

pytest.importorskip("gigachat", reason="the extra 'gigachat' is absent")

from gigachat import GigaChat
from gigachat.exceptions import BadRequestError, ResponseError, UnprocessableEntityError
from gigachat_helpers import FACTORY, FACTORY_ANSWER, client, forget_tokens
from serve_harness import Running

from samovar.generate.scripted import ScriptedModel

Serve = Callable[..., Running]
OWN = "Первый каталог библиотеки села Заречье содержал 212 книг. Каталог составила Анна Белова."
ASK_OWN = "Сколько книг содержал первый каталог библиотеки Заречья?"


# -- files --------------------------------------------------------------------------------------------------------------
def test_a_file_is_uploaded_asked_about_and_deleted(guarded: Running) -> None:
    with client(guarded, "reader") as giga:
        file = giga.upload_file(("каталог.txt", OWN.encode()))
        assert (file.filename, file.bytes_, file.purpose, file.object_) == (
            "каталог.txt",
            len(OWN.encode()),
            "general",
            "file",
        )
        assert [f.id_ for f in giga.get_files().data] == [file.id_]
        assert giga.get_file(file.id_).model_dump(exclude={"x_headers"}) == file.model_dump(exclude={"x_headers"})
        assert base64.b64decode(giga.get_image(file.id_).content) == OWN.encode()
        ask = {"messages": [{"role": "user", "content": ASK_OWN, "attachments": [file.id_]}]}
        assert "212" in giga.chat(ask).choices[0].message.content
        parts = [{"text": ASK_OWN}, {"files": [{"id": file.id_}]}]
        answer = giga.chat.create({"messages": [{"role": "user", "content": parts}]})
        assert "212" in ((answer.messages[0].content or [])[0].text or "")
        other = {"messages": [{"role": "user", "content": FACTORY, "attachments": [file.id_]}]}
        assert "Лисицын" not in giga.chat(other).choices[0].message.content  # only the attached file counts
        assert giga.delete_file(file.id_).deleted is True
        assert giga.get_files().data == []
        for call in (
            lambda: giga.get_file(file.id_),
            lambda: giga.get_image(file.id_),
            lambda: giga.delete_file(file.id_),
            lambda: giga.chat(ask),
        ):
            with pytest.raises(ResponseError) as caught:
                call()
            assert caught.value.status_code == 404
        assert "212" not in giga.chat(ASK_OWN).choices[0].message.content


def test_another_users_file_is_not_there(guarded: Running) -> None:
    with client(guarded, "reader") as mine, client(guarded, "other") as theirs, client(guarded, "admin") as admin:
        file = mine.upload_file(("каталог.txt", OWN.encode()))
        for giga in (theirs, admin):
            calls = (
                lambda id, g=giga: g.get_file(id),
                lambda id, g=giga: g.get_image(id),
                lambda id, g=giga: g.delete_file(id),
                lambda id, g=giga: g.chat({"messages": [{"role": "user", "content": ASK_OWN, "attachments": [id]}]}),
                lambda id, g=giga: list(
                    g.stream({"messages": [{"role": "user", "content": ASK_OWN, "attachments": [id]}]})
                ),
                lambda id, g=giga: g.chat.create(
                    {"messages": [{"role": "user", "content": [{"files": [{"id": id}]}]}]}
                ),
            )
            for call in calls:
                bodies = []
                for id in (file.id_, "0" * 24):
                    with pytest.raises(ResponseError) as caught:
                        call(id)
                    bodies.append((caught.value.status_code, caught.value.content))
                assert bodies[0] == bodies[1] and bodies[0][0] == 404
            assert giga.get_files().data == []
            assert "212" not in giga.chat(ASK_OWN).choices[0].message.content
        assert "212" in mine.chat(ASK_OWN).choices[0].message.content


def test_a_file_that_cannot_be_read_is_refused_and_not_kept(running: Running) -> None:
    with client(running) as giga:
        with pytest.raises(UnprocessableEntityError, match="unsupported"):
            giga.upload_file(("a.txt", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 9))
        with pytest.raises(BadRequestError, match="model file"):
            giga.upload_file(("a.gguf", b"GGUF"))
        with pytest.raises(BadRequestError, match="empty"):
            giga.upload_file(("a.txt", b""))
        assert giga.get_files().data == []


def test_files_are_not_for_bare_models(serve: Serve) -> None:
    running = serve(model=ScriptedModel(["x"]))
    with client(running, model="scripted") as giga, pytest.raises(BadRequestError, match="library"):
        file = giga.upload_file(("a.txt", OWN.encode()))
        giga.chat({"messages": [{"role": "user", "content": "?", "attachments": [file.id_]}]})


def test_a_file_over_the_limit_is_413(serve: Serve) -> None:
    running = serve(max_upload_bytes=2_000)
    with client(running) as giga:
        with pytest.raises(ResponseError) as caught:
            giga.upload_file(("a.txt", b"word " * 1_000))
        assert caught.value.status_code == 413
        assert giga.get_files().data == []


# -- asynchronous ---------------------------------------------------------------------------------------------------------
def test_the_asynchronous_client_does_all_of_it(guarded: Running) -> None:
    async def all_of_it(giga: GigaChat) -> None:
        async with giga:
            assert (await giga.achat(FACTORY)).choices[0].message.content == FACTORY_ANSWER
            assert "".join([c.choices[0].delta.content or "" async for c in giga.astream(FACTORY)]) == FACTORY_ANSWER
            forget_tokens(guarded)
            answer = await giga.achat.create(FACTORY)
            assert (answer.messages[0].content or [])[0].text == FACTORY_ANSWER
            events = [event async for event in giga.achat.stream(FACTORY)]
            assert events[-1].event == "response.message.done"
            file = await giga.aupload_file(("каталог.txt", OWN.encode()))
            ask = {"messages": [{"role": "user", "content": ASK_OWN, "attachments": [file.id_]}]}
            assert "212" in (await giga.achat(ask)).choices[0].message.content
            assert (await giga.adelete_file(file.id_)).deleted and (await giga.aget_files()).data == []
            assert (await giga.aget_models()).data[0].id_ == "samovar"
            assert (await giga.atokens_count(["раз два"], model="GigaChat"))[0].characters == 7

    asyncio.run(all_of_it(client(guarded, "reader")))
