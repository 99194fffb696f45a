from __future__ import annotations
import json, threading, time, socket
from typing import Any
from serve_harness import Running, text_document
from samovar.generate.scripted import ScriptedModel

API = "/api/samovar"
SECRET = "Формула сплава хранится в сейфе мастера Петра Ивановича: три части меди и одна часть олова. " * 4


def up(c, name, text, **data):
    return c.post("/api/samovar/documents", files={"file": (name, text.encode(), "text/plain")}, data=data)


def test_copies(guarded: Running) -> None:
    e, c = guarded.client("editor"), guarded.client("admin")
    up(e, "s.txt", SECRET, source="shared")

    def find(q):
        r = c.post(f"{API}/search", json={"query": q}).json()
        return {k: v for k, v in r.items() if k in ("total_candidates", "notes", "corrections")}, len(r["hits"])

    print("before", find("формула сплава олова"))
    up(guarded.client("reader"), "s.txt", SECRET)
    up(guarded.client("other"), "s.txt", SECRET + " Прибавка совершенно иного рода.")
    print("after", find("формула сплава олова"))
    up(guarded.client("reader"), "z.txt", "Зюзюблик квакозябрит гламурную синекдоху. " * 10)
    print("unique", find("зюзюблик"), find("зюзюблек"), find("зюзюбл"), find('"зюзюблик квакозябрит"'))
    a = c.post(f"{API}/ask", json={"question": "Кто такой зюзюблик?"}).json()
    print(a["status"], a["text"][:200], a["notes"], len(a["hits"]))


def test_title(serve: Any) -> None:
    r = serve(
        web=True,
        documents=[
            text_document(
                "a",
                "Текст документа про чайник.",
            )
        ],
    )
    r.put(
        text_document(
            "</title><script>alert(7)</script>",
            "Текст другого документа про чайник и блюдце.",
        )
    )
    c = r.client(follow_redirects=True)
    t = c.get("/search", params={"q": "</title><script>alert(5)</script>чайник"}).text
    import re

    i = t.find("alert(5)")
    for m in re.finditer(r"alert\(\d\)", t):
        print(repr(t[max(0, m.start() - 60) : m.start() + 30]))
    for d in c.get(f"{API}/documents").json()["documents"]:
        t = c.get("/document/" + d["id"]).text
        for m in re.finditer(r"alert\(\d\)", t):
            print("doc", repr(t[max(0, m.start() - 60) : m.start() + 30]))
    conv = c.post(f"{API}/conversations", json={"title": "</title><script>alert(6)</script>"}).json()
    t = c.get("/chat/" + conv["id"]).text
    for m in re.finditer(r"alert\(\d\)", t):
        print("chat", repr(t[max(0, m.start() - 60) : m.start() + 30]))
    # weird import and view
    msgs = [
        {"role": "user", "text": "q"},
        {
            "role": "assistant",
            "text": "a [1] <img src=x onerror=alert(8)>",
            "answer": {
                "status": "answered",
                "citations": [
                    {
                        "number": 1,
                        "document_id": '" onclick=alert(9) x="',
                        "start": 0,
                        "end": 5,
                        "quote": "<b>",
                        "title": '"><script>alert(9)</script>{x}',
                    }
                ],
                "sentences": [{"start": 0, "end": 3, "supported": False, "citations": [1, 77]}],
            },
        },
        {"role": "assistant", "text": "orphan"},
        {"role": "user", "text": ""},
    ]
    r2 = c.post(f"{API}/conversations/import", json={"format": "samovar-conversation", "version": 1, "messages": msgs})
    print(r2.status_code, r2.text[:200])
    cid = r2.json()["id"]
    t = c.get("/chat/" + cid)
    print(t.status_code)
    for m in re.finditer(r"alert\(\d\)", t.text):
        print("imp", repr(t.text[max(0, m.start() - 80) : m.start() + 30]))
    r3 = c.post(f"{API}/conversations/{cid}/messages", json={"text": "а чайник?", "stream": False})
    print(r3.status_code, r3.text[:150])
    print(c.get(f"{API}/conversations/{cid}/export.md").status_code)
    for p in (
        "/login?refused=%3Cscript%3Ealert(4)%3C/script%3E",
        "/nope/%3Cscript%3E",
        "/document/..%2f..%2fetc",
        "/login?next=//evil",
        "/login?next=/%09/evil",
        "/chat/%00",
    ):
        q = r.client().get(p)
        print(p, q.status_code, q.headers.get("location"), q.headers.get("cache-control"), "alert(4)" in q.text)


def test_mcp_leave(serve: Any) -> None:
    r = serve(accounts=True, model=ScriptedModel(["слово " * 3000], delay_seconds=0.01))
    key = r.people["reader"].key
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "ask", "arguments": {"question": "Где изобрели самовар?"}},
        }
    )
    req = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    s = socket.create_connection(("127.0.0.1", r.port))
    s.sendall(req.encode())
    try:
        r.wait_for(lambda: r.state.engine.queue.running == 1, 8)
        print("running")
    except AssertionError:
        print("never ran", s.recv(2000))
        return
    s.close()
    t = time.time()
    try:
        r.wait_for(lambda: r.state.engine.queue.running == 0, 8)
        print("stopped after", time.time() - t)
    except AssertionError:
        print("STILL RUNNING after 8 s")
    for rm in ("reader",):
        pass
