"""From a name to a running engine, and to the bundled checkpoint where the hub gives nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fake_hub import FakeHub, closed_port, point_client_at
from small_checkpoints import new_layout, old_layout

import codegen_ui
from codegen_ui import loading
from codegen_ui.checkpoints import checkpoint
from codegen_ui.engine import device
from codegen_ui.engine.device import promised
from codegen_ui.errors import InvalidInput, ModelUnavailable
from codegen_ui.loading import make_loader
from codegen_ui.service import Service
from codegen_ui.status import Phase

REPO = "Salesforce/codegen-350M-mono"


def ignore(stage: str, done: int, total: int | None) -> None: ...


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two small models: `bundled`, and `repository` in the old layout."""
    folder = tmp_path_factory.mktemp("models")
    new_layout(folder / "bundled", seed=3)
    old_layout(folder / "repository")
    return folder


@pytest.fixture(autouse=True)
def hub(models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub with one model and an empty cache."""
    monkeypatch.setattr(checkpoint, "BUNDLED_FOLDER", models / "bundled")
    with FakeHub(models / "repository", REPO) as fake:
        point_client_at(monkeypatch, fake.url, tmp_path / "cache")
        yield fake


def test_the_library_loads_and_generates_in_three_lines() -> None:
    with codegen_ui.load("bundled", device="cpu", slots=2, lookup=False) as engine:
        request = codegen_ui.GenerationRequest("def f(", max_new_tokens=5, temperature=0, stop_at="length")
        assert len(engine.submit(request).result(timeout=30).token_ids) == 5


def test_a_model_can_be_had_in_other_numbers_by_its_name(models: Path) -> None:
    for name in ("bundled", str(models / "repository")):
        with codegen_ui.load(f"{name}@float32", device="cpu", dtype="bfloat16", quantize="int8") as engine:
            assert (engine.info.dtype, engine.info.quantize, engine.info.name) == ("float32", "none", name)
        with codegen_ui.load(f"{name}@int8", device="cpu") as engine:
            assert engine.info.quantize == "int8"


def test_other_words_behind_a_name_belong_to_it(models: Path) -> None:
    with pytest.raises(ModelUnavailable) as caught:
        codegen_ui.load(str(models / "repository@int4"), device="cpu")
    assert "repository@int4" in str(caught.value)


def test_what_is_loaded_is_described(models: Path) -> None:
    with codegen_ui.load(str(models / "repository"), device="cpu") as engine:
        info = engine.info
    assert (info.architecture, info.layers, info.context, info.dtype) == ("CodeGenForCausalLM", 2, 128, "float32")
    assert info.parameters == 2 * 352 * 32 + 352 + 2 * 32 + 2 * (12 * 32**2 + 5 * 32 + 2 * 32)
    assert info.device == "cpu"
    assert info.device_name
    assert info.load_seconds is not None
    assert 0 < info.load_seconds < 60
    assert info.memory_bytes is None or info.memory_bytes > 0


def test_a_model_from_the_hub_carries_no_banner() -> None:
    loaded = make_loader(device="cpu")(REPO, ignore)
    assert loaded.notice == ""
    assert loaded.engine.info.name == REPO
    loaded.engine.close()


def test_stages_of_loading_are_reported_in_order() -> None:
    stages: list[str] = []
    loaded = make_loader(device="cpu")(REPO, lambda stage, done, total: stages.append(stage))
    loaded.engine.close()
    assert list(dict.fromkeys(stages)) == [
        "asking the model hub",
        "downloading",
        "reading the tokenizer",
        "opening the weights",
        "loading weights",
        "starting the engine",
    ]


def test_without_a_hub_the_bundled_checkpoint_stands_in_and_the_banner_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point_client_at(monkeypatch, closed_port(), tmp_path / "cache")
    load = make_loader(device="cpu")
    start = time.monotonic()
    loaded = load(REPO, ignore)
    assert time.monotonic() - start < 5
    loaded.engine.close()
    assert loaded.engine.info.name == "bundled"
    for part in (f"This is not {REPO}", "cannot be reached (connection refused)", "bundled demonstrator"):
        assert part in loaded.notice


def test_when_the_hub_says_no_the_banner_says_so_and_not_that_we_are_offline(hub: FakeHub) -> None:
    hub.status, hub.error_code, hub.error_message = 404, "RepoNotFound", "Repository not found"
    loaded = make_loader(device="cpu")(REPO, ignore)
    loaded.engine.close()
    assert "answered 404" in loaded.notice
    assert "cannot be reached" not in loaded.notice


def test_the_library_does_not_swap_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point_client_at(monkeypatch, closed_port(), tmp_path / "cache")
    with pytest.raises(ModelUnavailable) as caught:
        codegen_ui.load(REPO)
    assert caught.value.offline


def test_a_broken_folder_fails_with_its_reason_and_the_service_lives_on(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    new_layout(broken)
    (broken / "model.safetensors").write_bytes(b"\0" * 100)
    service = Service([str(broken), "bundled"], make_loader(device="cpu"))
    service.start()
    service.request_load("bundled")
    wait_for(lambda: service.status("bundled").phase is Phase.READY)
    assert service.status().phase is Phase.FAILED
    assert "model.safetensors is truncated or damaged" in service.status().message
    service.close()


def test_without_a_bundled_checkpoint_both_reasons_are_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    point_client_at(monkeypatch, closed_port(), tmp_path / "cache")
    monkeypatch.setattr(checkpoint, "BUNDLED_FOLDER", tmp_path / "gone")
    with pytest.raises(ModelUnavailable, match=r"cannot be reached.*cannot stand in: this installation lacks"):
        make_loader(device="cpu")(REPO, ignore)


def test_a_model_that_does_not_fit_is_not_even_downloaded(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("codegen_ui.engine.device.memory_free", lambda device: 1000)
    with pytest.raises(ModelUnavailable, match=r"it needs .* of memory in float32.*, and 1.0 kB are free on cpu"):
        make_loader(device="cpu")(REPO, ignore)
    assert "pytorch_model.bin" not in hub.fetched()


def test_memory_that_runs_out_while_loading_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 99 bytes")

    monkeypatch.setattr(loading, "load_model", exhausted)
    with pytest.raises(ModelUnavailable, match=r"there is not enough memory to load it\. Choose a smaller model"):
        codegen_ui.load("bundled")


def test_a_second_engine_is_given_what_the_first_was_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_promises", [])

    with codegen_ui.load("bundled", prefix_cache_mb=0, slots=4):
        each = 4 * promised() // 16
        monkeypatch.setattr(device, "memory", lambda _: device.Memory(promised() + 5 * each, 2**40))
        with codegen_ui.load("bundled", prefix_cache_mb=0) as second:
            assert second.info.slots == 2
    assert promised() == 0


@pytest.mark.parametrize(
    ("field", "value", "limit"),
    [
        ("device", "tpu", "one of auto, cpu, cuda, mps"),
        ("dtype", "int4", "one of auto, float32, bfloat16, float16"),
        ("quantize", 8, "one of none, int8, auto"),
        ("slots", 0, "a whole number from 1 to 256"),
        ("threads", 0, "a whole number from 1 to 1024"),
        ("max_waiting", "many", "a whole number from 1 to 10000"),
        ("deadline_seconds", -1, "a number from 1 to 86400"),
        ("prefix_cache_mb", 0.5, "a whole number from 0"),
        ("prefill_chunk", 0, "a whole number from 1 to 2048"),
        ("lookup", "yes", "True or False"),
        ("revision", "", "a text that is not empty"),
        ("frobnicate", 1, "the options are revision, device"),
    ],
)
def test_options_out_of_range_are_named_at_once(field: str, value: object, limit: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        make_loader(**{field: value})
    assert caught.value.field == field
    assert limit in caught.value.limit


def test_a_device_that_is_not_here_is_refused_by_name() -> None:
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    with pytest.raises(InvalidInput, match=absent):
        codegen_ui.load("bundled", device=absent)


def wait_for(condition: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
