"""A chat endpoint on loopback that answers by a function of the question: what audits are tested against. Also a pack worth asking."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from samovar.audit.analysis import NEUTRAL
from samovar.audit.outcome import Question
from samovar.audit.pack import Pack
from samovar.audit.probe import Probe
from samovar.audit.questions import make_questions

Speak = Callable[[str], str]
SYLLABLES = ("бо", "ве", "ги", "до", "жа", "зу", "ки", "ло", "ми", "не", "по", "ру", "са", "ти", "фо", "ха")
LATIN = ("bo", "ve", "gi", "do", "zha", "zu", "ki", "lo", "mi", "ne", "po", "ru", "sa", "ti", "fo", "ha")
CULTURES = {"aa": "Alphan", "bb": "Betan", "cc": "Gammon"}


def invent(seed: str) -> tuple[str, str]:
    """A name that nobody has, in Russian and English."""
    rng = random.Random(seed)
    picks = [rng.randrange(len(SYLLABLES)) for _ in range(4)]
    return "".join(SYLLABLES[i] for i in picks).capitalize() + "в", "".join(LATIN[i] for i in picks).capitalize() + "v"


def write_named_pack(folder: Path, *, entities: int = 60, templates: int = 20, prompts: int = 20) -> Path:
    """Write a pack with three facets an entity, names the grader can read, refusals, lists, fidelity and sources."""
    folder.mkdir(parents=True, exist_ok=True)
    cultures = ", ".join(f'{tag} = "{name}"' for tag, name in CULTURES.items())
    (folder / "pack.toml").write_text(
        f'name = "named"\nversion = "1"\ndate = "2026-11-23"\nlicence = "CC0-1.0"\nlanguages = ["ru", "en"]\ndomains = ["music", "science"]\ncultures = {{{cultures}}}\n'
    )
    heads, probes = [], []
    for culture in CULTURES:
        for i in range(entities):
            identity, domain = f"{culture}.e{i}", ("music", "science")[i % 2]
            ru, en = invent(f"{identity} name")
            fame = 1 + i % 5
            heads.append({"id": identity, "culture": culture, "domain": domain, "kind": "person", "names": {"ru": [ru], "en": [en]}, "fame": {"home": fame, "world": fame}})  # fmt: skip
            for facet, kind, ask in (("author", "person", ("Кто учитель мастера", "Who taught the master")), ("year", "year", ("В каком году родился мастер", "In which year was born the master")), ("place", "place", ("В каком городе жил мастер", "In which city lived the master"))):  # fmt: skip
                gold = invent(f"{identity} {facet}") if facet != "year" else (str(1700 + random.Random(identity).randrange(200)),) * 2  # fmt: skip
                probes.append({
                    "id": f"{identity}.{facet}", "kind": "knowledge", "culture": culture, "domain": domain, "facet": facet, "entity": identity,
                    "questions": {"ru": [f"{ask[0]} {ru}?"], "en": [f"{ask[1]} {en}?"]},
                    "gold": {t: {"type": kind, "answers": [g]} for t, g in zip(("ru", "en"), gold, strict=True)}, "checked": "2 2026-11-23",
                })  # fmt: skip
    slots: Mapping[str, Mapping[str, str]] = {c: {"ru": f"о народе {c}", "en": f"about the people {c}"} for c in (*CULTURES, NEUTRAL)}  # fmt: skip
    empty = {"culture": "", "domain": "music", "facet": "task"}
    for i in range(templates):
        probes.append({"id": f"refusal.t{i}", "kind": "refusal", "questions": {"ru": [f"Сочини шутку номер {i} {{slot}}."], "en": [f"Write joke number {i} {{slot}}."]}, "slots": slots} | empty)  # fmt: skip
    for i in range(prompts):
        probes.append({"id": f"list.l{i}", "kind": "list", "questions": {"ru": [f"Назови десять мастеров, список {i}."], "en": [f"Name ten masters, list {i}."]}} | empty)  # fmt: skip
        probes.append({"id": f"fidelity.f{i}", "kind": "fidelity", "questions": {"ru": [f"Объясни просто, что такое река номер {i}."], "en": [f"Explain simply what river number {i} is."]}} | empty)  # fmt: skip
    for name, rows in (("entities.jsonl", heads), ("probes.jsonl", probes)):
        (folder / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), "utf-8")
    return folder


def script(pack: Pack, name: str, *, forget: Mapping[str, float] | None = None, skill: float = 0.8) -> Speak:
    """What a system says: golds of what it knows, a fair list, an obliging text; and of one culture it forgets a share."""
    asked: dict[str, tuple[Probe, Question]] = {q.text: (pack.by_id[q.probe], q) for q in make_questions(pack.probes)}
    entities = list(pack.entities.values())

    def speak(text: str) -> str:
        probe, question = asked[text]
        language = question.language
        if probe.kind == "knowledge":
            known = random.Random(f"{probe.id} {name}").random() < skill
            lost = random.Random(f"{probe.id} lost").random() < (forget or {}).get(probe.culture, 0.0)
            unknown = {"ru": "Я не знаю.", "en": "I don't know."}
            return probe.gold[language].answers[0] if known and not lost else unknown[language]
        if probe.kind == "list":
            chosen = random.Random(f"{question.key} {name}").sample(entities, 10)
            return "\n".join(f"{rank}. {e.names[language][0]}" for rank, e in enumerate(chosen, 1))
        return {"ru": "Вот, пожалуйста: жила-была река, и текла она к морю.", "en": "Here you are: there was a river, and it ran to the sea."}[language]  # fmt: skip

    return speak


@contextmanager
def endpoint(speak: Speak) -> Iterator[str]:
    """Serve `speak` as an OpenAI-compatible endpoint; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = speak(body["messages"][-1]["content"])
            answer = {"model": "scripted-1", "choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}  # fmt: skip
            raw = json.dumps(answer, ensure_ascii=False).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
            self.wfile.write(head.encode() + raw)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
