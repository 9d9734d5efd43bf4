"""A setting is one row of a table: whoever shows, checks or sends settings finds it there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timezone

import gradio as gr
import pytest
from fake_engine import FakeEngine, serve
from readme import settings_table

from codegen_ui.api.arguments import Body, with_settings
from codegen_ui.errors import InvalidInput
from codegen_ui.generation import ModelInfo, Snapshot
from codegen_ui.kinds import Number
from codegen_ui.metrics import GenerationMetrics, State
from codegen_ui.remote.backend import Backend, Served
from codegen_ui.remote.pool import unsupported
from codegen_ui.remote.wire import KNOWN, Abilities, completion_body
from codegen_ui.request import FinishReason, GenerationRequest, StopAt, page_settings
from codegen_ui.table import setting
from codegen_ui.ui.endpoint import add_endpoint
from codegen_ui.ui.inputs import Inputs, to_request
from codegen_ui.ui.panels.records_panel import settings_text, values
from codegen_ui.ui.panels.settings_panel import SettingsPanel, limits
from codegen_ui.ui.sessions import Sessions


@dataclass(frozen=True, kw_only=True)
class Warmer(GenerationRequest):
    """A copy of the table with one more row."""

    warmth: float = setting(
        0.5, Number(0, 2, open_low=True), "how warmly it is told", neutral=1.0, label="Warmth", short="w"
    )


def test_a_setting_that_is_added_to_the_table_is_checked() -> None:
    assert Warmer("x").warmth == 0.5
    assert Warmer("x", warmth=2, temperature=1).sampling == GenerationRequest("x", temperature=1).sampling
    with pytest.raises(InvalidInput, match=r"^warmth: 0 is not allowed; it must be a number above 0 to 2\.$"):
        Warmer("x", warmth=0)


def test_it_is_an_argument_of_the_api_with_its_limits_and_its_neutral_value() -> None:
    body = with_settings(Body, Warmer)
    argument = body.model_json_schema()["properties"]["warmth"]
    allowed = argument.pop("anyOf")[0]
    assert argument == {
        "title": "Warmth",
        "default": 1.0,
        "description": "This server's extra: How warmly it is told.",
    }
    assert allowed == {"type": "number", "exclusiveMinimum": 0, "maximum": 2}
    assert body.model_validate({"warmth": 1.5}).warmth == 1.5  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="less than or equal to 2"):
        body.model_validate({"warmth": 2.5})


def test_it_is_sent_to_servers_that_know_it() -> None:
    def sent(abilities: Abilities) -> object:
        request = Warmer("x", warmth=1.5)
        return completion_body(request, model="m", prompt="x", max_tokens=1, seed=1, abilities=abilities).get("warmth")

    assert sent(KNOWN["codegen-playground"]) == 1.5
    assert sent(KNOWN["vllm"]) is None
    assert sent(Abilities()) is None


def test_it_has_a_widget_within_its_limits_and_is_read_from_it() -> None:
    with gr.Blocks():
        panel = SettingsPanel(serve(FakeEngine()), Warmer)
    slider = panel.widgets["warmth"]
    assert (slider.label, slider.elem_id, slider.value) == ("Warmth", "cg-warmth", 0.5)
    assert (slider.minimum, slider.maximum, slider.step) == (0, 2, 0.02)
    assert to_request(Inputs("x", warmth=1.5), table=Warmer) == Warmer("x", warmth=1.5)
    with pytest.raises(InvalidInput, match="warmth: 9 "):
        to_request(Inputs("x", warmth=9), table=Warmer)


def test_it_is_greyed_out_where_a_backend_has_none() -> None:
    backend = Backend("http://127.0.0.1:9/v1", None, None)
    backend.served = Served("m", 2048, "sglang")
    reasons = unsupported([backend], Warmer)
    why = "127.0.0.1:9 is not known to take more than OpenAI's and vLLM's own settings"
    assert reasons == {**unsupported([backend]), "warmth": why}
    assert "min_p" not in reasons
    update = limits(page_settings(Warmer)[-1], ModelInfo("m", "as served", 2048, unsupported=reasons))
    assert (update["interactive"], update["value"]) == (False, 1.0)


def test_it_is_an_argument_of_the_pages_endpoint() -> None:
    with gr.Blocks() as page:
        add_endpoint(Sessions(serve(FakeEngine())), Warmer)
    parameters = page.get_api_info()["named_endpoints"]["/generate"]["parameters"]
    found = {one["parameter_name"]: one for one in parameters}
    assert list(found) == ["prompt", *(one.name for one in page_settings(Warmer)), "model"]
    assert (found["warmth"]["parameter_default"], found["warmth"]["type"]) == (0.5, {"type": "number"})


def test_it_is_a_column_of_the_runs() -> None:
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    last = Snapshot("pass", GenerationMetrics(State.DONE), FinishReason.EOS)
    assert values(1, when, "m", Warmer("x", warmth=1.5), last)["warmth"] == 1.5
    assert settings_text(Warmer("x", temperature=0, warmth=1.5)) == "greedy · w 1.5 · 512 · function"
    assert settings_text(Warmer("x", temperature=0, warmth=1)) == "greedy · 512 · function"


def test_it_is_in_the_readme() -> None:
    line = "| `warmth` | how warmly it is told | a number above 0 to 2 | 0.5 | 1 | Warmth |\n"
    assert settings_table(Warmer) == settings_table() + line


def test_a_request_can_be_changed_in_one_field() -> None:
    request = GenerationRequest([1, 2], stop="\n", stop_at="eos", seed=3)
    assert replace(request, temperature=0).stop == ("\n",)
    assert replace(request, prompt="x") == GenerationRequest("x", stop=["\n"], stop_at=StopAt.EOS, seed=3)
    with pytest.raises(InvalidInput, match="temperature: 9 "):
        replace(request, temperature=9)
