"""What models are called: paths of this machine are in settings, never in names."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from serve_harness import running_server, settings_for

from samovar.serve.model_names import offered_models, public_name

PART = st.text("abcXYZ019._- ", min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(st.lists(PART, min_size=1, max_size=4), st.sampled_from("/\\"))
def test_a_file_is_called_by_its_name_alone(parts: list[str], slash: str) -> None:
    name = public_name(slash + slash.join(parts) + ".gguf")
    assert name.startswith("llama:") and "/" not in name and "\\" not in name


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(["/a/x.gguf", "/b/x.gguf", "/b/X.gguf", "/c/y.gguf", "openai:x", "extractive"]), max_size=6
    )
)
def test_every_setting_on_offer_has_one_name_and_every_name_one_setting(more: list[str]) -> None:
    offered = offered_models("llama:x", "/a/x.gguf", more)
    assert set(offered.values()) == {"/a/x.gguf", *more}
    assert len(set(offered.values())) == len(offered)
    assert not [name for name in offered if "/" in name]


def test_names_of_models_that_are_no_files_stay() -> None:
    assert offered_models("extractive", "extractive", ["openai:big", "gemma", "extractive"]) == {
        "extractive": "extractive",
        "openai:big": "openai:big",
        "gemma": "gemma",
    }


def test_no_list_of_models_shows_a_path(tmp_path: Path) -> None:
    hidden = str(tmp_path / "secret place" / "Tiny-Q8.gguf")
    given_settings = settings_for(tmp_path / "home", models=(hidden,))
    with running_server(tmp_path / "home", settings=given_settings) as running:
        client = running.client()
        shown = client.get("/v1/models").json()
        assert [one["id"] for one in shown["data"]] == ["samovar", "samovar:llama:tiny-q8", "llama:tiny-q8"]
        for path in ("/v1/models", "/api/v1/models", "/api/samovar/models"):
            assert "secret place" not in client.get(path).text
        body = {"model": "llama:tiny-q8", "messages": [{"role": "user", "content": "hello"}]}
        refused = client.post("/v1/chat/completions", json=body)
        assert refused.status_code == 404 and "llama:tiny-q8" in refused.text and "secret place" not in refused.text
        wrong = client.post("/v1/chat/completions", json=body | {"model": hidden})
        assert wrong.status_code == 404
