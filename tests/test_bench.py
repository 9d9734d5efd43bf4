"""The benchmark's arithmetic, and one command from end to end on a tiny model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from elsewhere import Elsewhere, impossible
from small_checkpoints import new_layout

from codegen_ui.bench.__main__ import COMMANDS, build_parser, main
from codegen_ui.bench.lookup import replay, replay_refused
from codegen_ui.bench.report import Report, markdown
from codegen_ui.bench.rounds import Apart, measure, medians, take_turns
from codegen_ui.bench.serving import generate_index
from codegen_ui.engine.speculation.lookup import AcceptanceRates, EarlierTexts

COSTS = [0.030 + 0.002 * drafts for drafts in range(13)]


def test_cases_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    figures = iter([100.0, 100.0, 1.0, 10.0, 3.0, 30.0, 2.0, 20.0])

    def case(name: str) -> float:
        order.append(name)
        return next(figures)

    results = take_turns({"a": lambda: case("a"), "b": lambda: case("b")}, 3)
    assert "".join(order) == "abababab"
    assert medians(results) == {"a": 2.0, "b": 20.0}


def test_the_last_line_is_one_json_object_with_the_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("engine", ratios={"int8_memory_over_fp32": 0.31234567}, figures={"ms": 5})
    report.finish()
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["ratios"] == {"int8_memory_over_fp32": 0.3123}
    assert result["figures"] == {"ms": 5}
    assert {"python", "torch"} <= result["versions"].keys()


def test_decoding_is_timed_apart_from_the_prefill() -> None:
    class Fake:
        """A prefill of 10 s a stream, then a second for each further token of all streams together."""

        def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
            return 10.0 * streams + (new_tokens - 1)

    rates = measure({"fake": Fake()}, (1, 8), 64, 2)
    assert rates["fake", 1].decode == [1.0, 1.0]
    assert rates["fake", 8].decode == [8.0, 8.0]
    assert rates["fake", 8].whole[0] == pytest.approx(512 / 143)


def test_a_contender_runs_in_a_process_of_its_own_and_waits_as_its_library_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "10000")
    with Apart(Elsewhere, ours=True) as ours, Apart(Elsewhere, ours=False) as theirs:
        assert ours.seconds(1, 64) == theirs.seconds(8, 64) == 64.0
        (here, ours_spin), (there, their_spin) = ours.ask("process"), theirs.ask("process")
        assert len({here, there, os.getpid()}) == 3
        assert (ours_spin, their_spin) == ("10000", None)
        with pytest.raises(ValueError, match="9 streams"):
            theirs.seconds(9, 64)
    assert os.environ["GOMP_SPINCOUNT"] == "10000"


def test_a_contender_that_cannot_be_made_says_why() -> None:
    with pytest.raises(RuntimeError, match="not installed"):
        Apart(impossible, ours=False)


def test_tables_line_up() -> None:
    assert markdown(["a", "bbb"], [["xx", 1.23456], ["y", 123.456]]).splitlines() == [
        "| a  | bbb   |",
        "|----|-------|",
        "| xx | 1.23  |",
        "| y  | 123.5 |",
    ]


def test_a_replay_makes_every_token_once_and_repetition_pays() -> None:
    loop = [1, 2, 3, 4, 5, 6] * 20
    found = replay([9, 9], loop, COSTS, None, AcceptanceRates())
    assert found.tokens == len(loop) - 1 == found.steps + found.accepted
    assert found.seconds < 0.4 * found.tokens * COSTS[0]


def test_a_replay_without_repetition_costs_what_plain_decoding_does() -> None:
    found = replay([1000], list(range(100)), COSTS, None, AcceptanceRates())
    assert (found.drafted, found.steps) == (0, 99)
    assert found.seconds == pytest.approx(99 * COSTS[0])


def test_a_second_click_is_drafted_from_the_first() -> None:
    memory, rates = EarlierTexts(), AcceptanceRates()
    first, again = (replay([1000], list(range(100)), COSTS, memory, rates) for _ in range(2))
    assert again.steps < first.steps / 3


def test_refused_drafts_cost_under_three_percent() -> None:
    assert 1 < replay_refused(COSTS, 64) <= 1.03


def test_the_generate_handler_is_found_on_the_real_page() -> None:
    from codegen_ui.service import Service
    from codegen_ui.ui.page import build_page

    def never(name: str, progress: object) -> None:
        raise AssertionError("nothing is loaded here")

    config = build_page(Service(["bundled"], never), ()).blocks.get_config_file()  # type: ignore[arg-type]
    index = generate_index(config)
    (found,) = [one for one in config["dependencies"] if one["id"] == index]
    assert found["types"]["generator"]


def test_every_command_has_its_module_and_help() -> None:
    for command in COMMANDS:
        assert (Path(__file__).parent.parent / "codegen_ui" / "bench" / f"{command}.py").is_file()
        assert build_parser().parse_args([command]).rounds == 5


def test_the_engine_benchmark_runs_from_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_layout(tmp_path / "model")
    arguments = ["engine", "--model", str(tmp_path / "model"), "--quantize", "none", "--prompt", "8", "--new", "4"]
    assert main([*arguments, "--rounds", "1"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    rates = result["figures"]["tokens_per_second"]
    assert set(rates) == {"none, 1", "none, 4", "none, 8", "none, 16"}
    assert set(rates["none, 1"]) == {"decode", "whole"}
