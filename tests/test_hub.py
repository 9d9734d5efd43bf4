"""Downloads by the real hub client from a small hub of our own, and everything that can go wrong on the way."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fake_hub import FakeHub, closed_port, point_client_at, silent_server
from huggingface_hub import constants
from small_checkpoints import new_layout, old_layout

from codegen_ui.checkpoints import HubRefused, hub, open_checkpoint
from codegen_ui.checkpoints.progress import ByteCounter
from codegen_ui.errors import ModelUnavailable

REPO = "Salesforce/codegen-350M-mono"
Settle = Callable[[str], None]


@pytest.fixture(scope="module")
def old_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """fp16 `.bin`, old tokenizer files, and files for other frameworks that nobody needs. About 1 MB."""
    folder = tmp_path_factory.mktemp("repository")
    old_layout(folder, n_embd=128)
    for other in ("tf_model.h5", "flax_model.msgpack", "README.md"):
        (folder / other).write_bytes(b"not for us")
    return folder


@pytest.fixture
def point_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settle:
    """Makes the hub's client ask the given address, with an empty cache."""
    return lambda url: point_client_at(monkeypatch, url, tmp_path / "cache")


@pytest.fixture
def served(old_repository: Path, point_at: Settle) -> Iterator[FakeHub]:
    with FakeHub(old_repository, REPO) as fake:
        point_at(fake.url)
        yield fake


class Seen:
    """A progress callback that remembers."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int | None]] = []
        self.times: list[float] = []

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        self.calls.append((stage, done, total))
        self.times.append(time.monotonic())

    @property
    def downloaded(self) -> list[int]:
        return [done for stage, done, _ in self.calls if stage == "downloading"]


def test_a_model_in_the_old_layout_is_downloaded_and_opened(served: FakeHub, old_repository: Path) -> None:
    seen = Seen()
    checkpoint = open_checkpoint(REPO, progress=seen)
    name = "transformer.h.1.mlp.fc_in.weight"
    source = torch.load(old_repository / "pytorch_model.bin", weights_only=True)
    assert torch.equal(checkpoint.weights[name], source[name])
    assert checkpoint.tokenizer.decode(checkpoint.tokenizer("if x != y:\n        z")["input_ids"]).endswith("        z")


def test_only_the_files_that_are_needed_are_fetched(served: FakeHub) -> None:
    open_checkpoint(REPO)
    assert served.fetched() - {REPO.split("/")[1], "main"} >= {"config.json", "vocab.json", "pytorch_model.bin"}
    assert not served.fetched() & {"tf_model.h5", "flax_model.msgpack", "README.md"}


def test_progress_counts_every_byte_up_to_the_total(served: FakeHub, old_repository: Path) -> None:
    seen = Seen()
    open_checkpoint(REPO, progress=seen)
    needed = ("config.json", "vocab.json", "merges.txt", "added_tokens.json", "tokenizer_config.json")
    total = sum((old_repository / file).stat().st_size for file in (*needed, "pytorch_model.bin"))
    assert seen.downloaded == sorted(seen.downloaded)
    assert seen.downloaded[-1] == total
    assert {total_ for stage, _, total_ in seen.calls if stage == "downloading"} == {total}
    assert len(set(seen.downloaded)) > 6


def test_safetensors_are_preferred_and_then_alone(tmp_path: Path, point_at: Settle) -> None:
    folder = tmp_path / "repository"
    new_layout(folder)
    (folder / "pytorch_model.bin").write_bytes(b"the same weights again")
    with FakeHub(folder, REPO) as fake:
        point_at(fake.url)
        open_checkpoint(REPO)
    assert "model.safetensors" in fake.fetched()
    assert "pytorch_model.bin" not in fake.fetched()


def test_sharded_weights_are_all_fetched(tmp_path: Path, point_at: Settle) -> None:
    folder = tmp_path / "repository"
    model = new_layout(folder, max_shard_size="40kB")
    with FakeHub(folder, REPO) as fake:
        point_at(fake.url)
        checkpoint = open_checkpoint(REPO)
    assert len(checkpoint.weights.files) > 2
    assert torch.equal(checkpoint.weights["lm_head.weight"], model.lm_head.weight)


def test_a_cached_model_opens_without_a_hub(served: FakeHub, point_at: Settle) -> None:
    first = open_checkpoint(REPO)
    point_at(closed_port())
    again = open_checkpoint(REPO)
    assert again.folder == first.folder


def test_a_second_start_downloads_nothing(served: FakeHub) -> None:
    open_checkpoint(REPO)
    served.requests.clear()
    open_checkpoint(REPO)
    assert not [request for request in served.requests if request[0] == "GET" and "/resolve/" in request[1]]


def test_a_connection_that_drops_is_resumed_where_it_broke(served: FakeHub) -> None:
    served.drop_after, served.drops = 600_000, 1
    seen = Seen()
    checkpoint = open_checkpoint(REPO, progress=seen)
    assert len(served.ranges) == 1
    assert checkpoint.weights["lm_head.bias"].shape == (352,)
    assert seen.downloaded == sorted(seen.downloaded)


def test_a_connection_that_is_reset_is_tried_again(served: FakeHub) -> None:
    served.drop_after, served.drops, served.reset = 200_000, 1, True
    assert open_checkpoint(REPO).weights["lm_head.bias"].shape == (352,)


def test_a_line_that_stays_broken_ends_in_one_clear_message(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    served.drop_after, served.drops, served.reset = 100_000, 10_000, True
    with pytest.raises(ModelUnavailable, match=r"broke off while downloading pytorch_model\.bin after") as caught:
        open_checkpoint(REPO)
    assert caught.value.offline
    assert not isinstance(caught.value, HubRefused)


def test_a_slow_hub_shows_movement_and_is_waited_for(served: FakeHub) -> None:
    served.chunk_delay = 0.05
    seen = Seen()
    open_checkpoint(REPO, progress=seen)
    moments = [moment for moment, call in zip(seen.times, seen.calls, strict=True) if call[0] == "downloading"]
    assert max(after - before for before, after in itertools.pairwise(moments)) < 1
    assert seen.downloaded[-1] == next(total for stage, _, total in seen.calls if stage == "downloading")


@pytest.mark.parametrize(
    ("status", "code", "message", "said"),
    [
        (404, "RepoNotFound", "Repository not found", "answered 404.*Repository not found.*no such model"),
        (401, "", "Invalid username or password.", "answered 401.*Invalid username.*private.*HF_TOKEN"),
        (403, "GatedRepo", "Access to model is restricted", "answered 403.*restricted.*granted on the model's page"),
        (503, "", "Service Unavailable", "answered 503.*a problem of its own"),
    ],
)
def test_when_the_hub_says_no_the_message_says_that(
    served: FakeHub, status: int, code: str, message: str, said: str
) -> None:
    served.status, served.error_code, served.error_message = status, code, message
    with pytest.raises(HubRefused, match=said) as caught:
        open_checkpoint(REPO)
    assert not caught.value.offline


def test_a_revision_that_does_not_exist_is_named(served: FakeHub) -> None:
    with pytest.raises(HubRefused, match="no revision 'v9'"):
        open_checkpoint(REPO, revision="v9")


def test_a_token_is_sent_but_never_shown(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    served.status, served.error_message = 401, "no"
    with pytest.raises(HubRefused) as caught:
        open_checkpoint(REPO)
    assert "Bearer hf_secret" in served.tokens
    assert "hf_secret" not in str(caught.value)


def test_a_hub_that_refuses_connections_counts_as_offline_at_once(point_at: Settle) -> None:
    point_at(closed_port())
    start = time.monotonic()
    with pytest.raises(ModelUnavailable, match=r"cannot be reached .connection refused.*not in the cache") as caught:
        open_checkpoint(REPO)
    assert caught.value.offline
    assert time.monotonic() - start < 2


def test_a_hub_that_never_answers_counts_as_offline_within_five_seconds(point_at: Settle) -> None:
    start = time.monotonic()
    with silent_server() as url:
        point_at(url)
        with pytest.raises(ModelUnavailable, match="did not answer within 4 s") as caught:
            open_checkpoint(REPO)
    assert caught.value.offline
    assert time.monotonic() - start < 5


def test_a_name_server_that_never_answers_counts_as_offline_too(
    point_at: Settle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: time.sleep(3))
    point_at("http://hub.invalid")
    with pytest.raises(ModelUnavailable, match=r"did not answer within 0.2 s") as caught:
        open_checkpoint(REPO)
    assert caught.value.offline


def test_a_host_name_that_is_unknown_counts_as_offline(point_at: Settle) -> None:
    point_at("http://hub.invalid")
    with pytest.raises(ModelUnavailable) as caught:
        open_checkpoint(REPO)
    assert caught.value.offline


def test_offline_mode_is_named(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE is set") as caught:
        open_checkpoint(REPO)
    assert caught.value.offline
    assert not served.requests


def test_a_full_disk_is_noticed_before_the_download(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "free_bytes", lambda folder: 1000)
    with pytest.raises(ModelUnavailable, match=r"no room on the disk for .* \(1.0 kB free\).*HF_HOME"):
        open_checkpoint(REPO)
    assert not served.fetched()


def test_a_disk_that_fills_up_during_the_download_is_named(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(ModelUnavailable, match="no room on the disk") as caught:
        open_checkpoint(REPO)
    assert not caught.value.offline


def test_another_architecture_is_turned_down_before_its_weights_are_fetched(
    served: FakeHub, old_repository: Path, tmp_path: Path
) -> None:
    served.folder = tmp_path / "llama"
    shutil.copytree(old_repository, served.folder)
    (served.folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ModelUnavailable, match=r"no CodeGen checkpoint.*'llama'"):
        open_checkpoint(REPO)
    assert "pytorch_model.bin" not in served.fetched()


def test_something_that_is_no_hub_is_told_apart_from_no_network(served: FakeHub) -> None:
    served.repo = "another/model"
    with pytest.raises(HubRefused, match="answered 404"):
        open_checkpoint(REPO)


def test_xet_transfers_count_each_byte_once() -> None:
    """The client drives the bar of a Xet download through this reporter, which has a second bar for the network."""
    from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

    seen = Seen()
    counter = ByteCounter(seen, total=1000)
    options = {"reconstruction_desc": "", "log_level": 30, "total": 1000, "tqdm_class": counter.file(1000)}
    with XetDownloadProgressReporter(**options) as reporter:
        for done in (400, 1000):
            report = SimpleNamespace(total_bytes_completed=done, total_transfer_bytes_completed=done, total_bytes=1000)
            report.total_bytes_completion_rate = report.total_transfer_bytes_completion_rate = 1.0
            reporter.update_progress(report)
    assert seen.downloaded == [400, 1000]


def test_a_xet_transfer_that_fails_is_a_line_that_broke(served: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("Data processing error: CAS client error: network unreachable")

    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.file_download.http_get", broken)
    with pytest.raises(ModelUnavailable, match=r"broke off while downloading config\.json.*network unreachable"):
        open_checkpoint(REPO)


def test_the_environment_is_honoured_in_a_fresh_process(served: FakeHub, tmp_path: Path) -> None:
    code = f"from codegen_ui.checkpoints.hub import fetch; print(fetch({REPO!r}, None, lambda *a: None))"
    environment = dict(
        os.environ, HF_ENDPOINT=served.url, HF_HOME=str(tmp_path / "home"), HF_HUB_OFFLINE="0", NO_PROXY="*"
    )
    environment.pop("HF_HUB_CACHE", None)
    root = Path(__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    folder = Path(run.stdout.strip())
    assert folder.is_relative_to(tmp_path / "home")
    assert (folder / "pytorch_model.bin").is_file()
