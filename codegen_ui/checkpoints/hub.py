"""A model's files from the hub into its cache, by the hub's own client, with every byte counted.

Honours the client's environment: HF_ENDPOINT, HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_HUB_OFFLINE, and HF_HUB_ETAG_TIMEOUT
as the time to wait for the hub's first answer.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from humanize import naturalsize

from codegen_ui.checkpoints.hub_errors import HubRefused, download_failure, explain
from codegen_ui.checkpoints.progress import ByteCounter, Progress, free_bytes, no_room
from codegen_ui.checkpoints.tokenizer import TOKENIZER_FILES
from codegen_ui.checkpoints.weights import BrokenWeights, weight_files
from codegen_ui.errors import ModelUnavailable

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 4.0
"""How long the hub may take to answer the first question before it counts as out of reach."""
DOWNLOAD_TRIES = 3
CHUNK_BYTES = 256 * 1024
SPARE_BYTES = 64 * 2**20
CONFIG_FILES = ("config.json", "generation_config.json")
SHARD = re.compile(r"(model|pytorch_model)-\d+-of-\d+\.(safetensors|bin)")

T = TypeVar("T")


@dataclass(frozen=True)
class Listing:
    """A repository at one commit: file name -> size in bytes."""

    commit: str
    sizes: dict[str, int]


def fetch(
    name: str, revision: str | None, progress: Progress, inspect: Callable[[Path], None] = lambda folder: None
) -> Path:
    """The folder with the model's files, downloaded where the cache lacks them.

    `inspect` sees the folder when only the small files are there, and may raise before gigabytes are fetched. Raises
    `ModelUnavailable` (`offline` where the hub is out of reach and nothing is cached) or its subclass `HubRefused`.
    """
    progress("asking the model hub", 0, None)
    try:
        listing = ask(name, revision)
    except ModelUnavailable as error:
        cached = find_cached(name, revision)
        if cached is None:
            raise
        logger.warning("%s is taken from the cache as it is, for the hub did not give it: %s", name, error.reason)
        inspect(cached)
        return cached
    small, weights = choose_files(name, listing)
    check_disk(name, listing, [*small, *weights])
    counter = ByteCounter(progress, total=sum(listing.sizes[file] for file in (*small, *weights)))
    folder = [download(name, listing, file, counter) for file in small][-1].parent
    inspect(folder)
    for file in weights:
        download(name, listing, file, counter)
    remember(name, revision, folder)
    return folder


def ask(name: str, revision: str | None) -> Listing:
    """What the hub has under this name; `ANSWER_SECONDS` at most, name lookup included. Raises `ModelUnavailable`."""
    from huggingface_hub import HfApi, constants

    seconds = ANSWER_SECONDS
    if constants.HF_HUB_ETAG_TIMEOUT != constants.DEFAULT_ETAG_TIMEOUT:
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
    api = HfApi()
    try:
        info = answer_within(
            seconds, lambda: api.model_info(name, revision=revision, files_metadata=True, timeout=seconds)
        )
    except Exception as error:
        raise explain(name, revision, error, seconds) from error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    return Listing(info.sha or revision or "main", sizes)


def answer_within(seconds: float, call: Callable[[], T]) -> T:
    """The result of `call`, or `TimeoutError`; in a thread, for looking up a host's name has no timeout of its own."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it travels to the caller through the future
            future.set_exception(error)

    threading.Thread(target=run, name="ask the model hub", daemon=True).start()
    try:
        return future.result(seconds)
    except FutureTimeout:
        if future.done():
            raise
        raise TimeoutError(f"no answer within {seconds:g} seconds") from None


def remember(name: str, revision: str | None, folder: Path) -> None:
    """Let the cache know that `revision` means the commit in `folder`, now that it is whole: offline that counts."""
    import httpx2
    from huggingface_hub import hf_hub_download

    if find_cached(name, revision) == folder:
        return
    try:
        hf_hub_download(name, "config.json", revision=revision)
    except (httpx2.RequestError, OSError) as error:
        logger.warning("%s is whole, but will not be found without the hub: %s", name, error)


def find_cached(name: str, revision: str | None) -> Path | None:
    """The cached folder, if it has a configuration and all of its weights."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        return None
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    try:
        weight_files(folder)
    except BrokenWeights:
        return None
    return folder


def choose_files(name: str, listing: Listing) -> tuple[list[str], list[str]]:
    """The small files and the weights to download: safetensors where there are, else `.bin`, nothing else."""
    files = listing.sizes
    if "config.json" not in files:
        raise HubRefused(name, "its repository on the hub has no config.json: it is not a transformers model.")
    small = [file for file in (*CONFIG_FILES, *TOKENIZER_FILES) if file in files]
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        whole, index = f"{stem}.{suffix}", f"{stem}.{suffix}.index.json"
        if whole in files:
            return small, [whole]
        if index in files:
            shards = [file for file in files if (m := SHARD.fullmatch(file)) and m.groups() == (stem, suffix)]
            return [*small, index], sorted(shards)
    raise HubRefused(name, "its repository on the hub has neither safetensors nor PyTorch weights.")


def check_disk(name: str, listing: Listing, files: Sequence[str]) -> None:
    """Raises `ModelUnavailable` where the cache's disk cannot take what is still to be downloaded."""
    from huggingface_hub import constants, try_to_load_from_cache

    missing = [f for f in files if not isinstance(try_to_load_from_cache(name, f, revision=listing.commit), str)]
    needed = sum(listing.sizes[file] for file in missing)
    cache = Path(constants.HF_HUB_CACHE)
    free = free_bytes(cache)
    if missing:
        logger.info("downloading %s: %s from %s", name, naturalsize(needed), constants.ENDPOINT)
    if missing and free is not None and free < needed + SPARE_BYTES:
        raise ModelUnavailable(name, no_room(cache, free, needed))


def download(name: str, listing: Listing, file: str, counter: ByteCounter) -> Path:
    """One file of that commit, from the cache if it is there.

    The hub's client resumes a connection that ends early; one that is reset or cannot be made again is tried afresh.
    """
    from huggingface_hub import constants, hf_hub_download

    # The client's own chunks of 10 MB would show no movement for many seconds on a slow line.
    constants.DOWNLOAD_CHUNK_SIZE = CHUNK_BYTES
    size = listing.sizes[file]
    for tries_left in reversed(range(DOWNLOAD_TRIES)):
        try:
            bar = counter.file(size)
            path = Path(hf_hub_download(name, file, revision=listing.commit, tqdm_class=bar))
            counter.file_done(size)
            return path
        except Exception as error:
            so_far = f"{naturalsize(counter.done)} of {naturalsize(counter.total)}"
            failure = download_failure(name, file, size, so_far, error)
            if not failure.offline or not tries_left:
                raise failure from error
            logger.warning("%s Trying again.", failure)
        time.sleep(1)
    raise AssertionError("the last try returns or raises")
