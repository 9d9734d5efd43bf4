"""From a model's name and options to a running engine: checkpoint -> weights on the device -> engine.

`load_engine` is the library's way and raises; `make_loader` is the server's, which puts the bundled checkpoint in the
place of a model that the hub did not give, and says so.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from humanize import naturalsize

from codegen_ui.checkpoints import BUNDLED, HubRefused, import_libraries, open_checkpoint
from codegen_ui.checkpoints.progress import Progress, no_progress
from codegen_ui.engine.model.config import ModelConfig, parameter_count, required_bytes
from codegen_ui.engine.threads import in_own_thread, use_threads
from codegen_ui.errors import InvalidInput, ModelUnavailable
from codegen_ui.generation import ModelInfo
from codegen_ui.options import EngineOptions, LoadOptions
from codegen_ui.service import Loaded, Loader
from codegen_ui.table import refuse_unknown

if TYPE_CHECKING:
    import torch

    from codegen_ui.checkpoints import Checkpoint
    from codegen_ui.engine.decoders import Decoder
    from codegen_ui.engine.host import LocalEngine

logger = logging.getLogger(__name__)


NUMBERS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32", "quantize": "none"},
    "bfloat16": {"dtype": "bfloat16", "quantize": "none"},
    "float16": {"dtype": "float16", "quantize": "none"},
    "int8": {"quantize": "int8"},
}
"""What may stand behind a model's name and an @, so that one is offered in several numbers: 'bundled@float32'."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan(EngineOptions, LoadOptions):
    """Checked options: where and how to load, how to run what was loaded, and who hears of the progress."""

    progress: Progress = no_progress


def load_engine(name: str, **options: Any) -> LocalEngine:
    """Load a model and start its engine; blocks. Options are those of `LoadPlan`.

    Raises `InvalidInput` or `ModelUnavailable`.
    """
    plan = check_options(options)
    return in_own_thread(lambda: run(name, plan, plan.progress, time.monotonic()))


def make_loader(**options: Any) -> Loader:
    """A loader for `Service`. Raises `InvalidInput` for options, now rather than at the first load."""
    plan = check_options(options)

    def load(name: str, progress: Progress) -> Loaded:
        start = time.monotonic()
        try:
            return Loaded(run(name, plan, progress, start))
        except ModelUnavailable as error:
            if not (error.offline or isinstance(error, HubRefused)):
                raise
            logger.warning("cannot load %s: %s Loading the bundled checkpoint instead.", name, error.reason)
            return stand_in(error, plan, progress, start)

    return load


def stand_in(error: ModelUnavailable, plan: LoadPlan, progress: Progress, start: float) -> Loaded:
    """The bundled checkpoint, under a banner naming whose place it takes. Raises `ModelUnavailable` if it cannot."""

    def instead(stage: str, done: int, total: int | None) -> None:
        progress(f"the bundled checkpoint instead: {stage}", done, total)

    try:
        engine = run(BUNDLED, plan, instead, start)
    except ModelUnavailable as second:
        reason = f"{error.reason} The bundled checkpoint cannot stand in: {second.reason}"
        raise ModelUnavailable(error.model, reason, offline=error.offline) from second
    size = engine.info.parameters or 0
    notice = (
        f"This is not {error.model}: {error.reason} In its place you see the bundled demonstrator, a CodeGen of "
        f"{size / 1e6:.1f} million parameters that was trained for this page; expect textbook functions, no more."
    )
    return Loaded(engine, notice)


def run(name: str, plan: LoadPlan, progress: Progress, start: float) -> LocalEngine:
    """Open, load and start; `start` is when that was asked for, in `time.monotonic()` seconds.

    Raises `ModelUnavailable`, or `InvalidInput` for a device that this machine lacks.
    """
    name, plan = in_numbers(name, plan)
    # The imports take seconds, in which the hub can be asked.
    imports = threading.Thread(target=import_libraries, name="import torch and transformers", daemon=True)
    imports.start()

    def admit(config: ModelConfig) -> None:
        if imports.is_alive():
            progress("importing torch and transformers", 0, None)
        imports.join()
        check_memory(name, config, plan)

    try:
        checkpoint = open_checkpoint(name, revision=plan.revision, progress=progress, admit=admit)
    finally:
        # Also where the hub said no: the stand-in is loaded next, and two threads that import transformers at once
        # may find half of it.
        imports.join()
    try:
        model = load_model(checkpoint, plan, progress)
        checkpoint.weights.close()
        progress("starting the engine", 0, None)
        return start_engine(checkpoint, model, plan, start, lambda stage: progress(stage, 0, None))
    except ValueError as error:
        raise ModelUnavailable(name, f"the checkpoint in {checkpoint.folder} cannot be used: {error}.") from error
    except (MemoryError, RuntimeError) as error:
        from codegen_ui.engine.faults import out_of_memory

        if not out_of_memory(error):
            raise
        raise ModelUnavailable(name, f"there is not enough memory to load it. {ADVICE}") from error
    finally:
        checkpoint.weights.close()


def in_numbers(name: str, plan: LoadPlan) -> tuple[str, LoadPlan]:
    """The name without the numbers behind it, and the plan with them; a folder may be called so itself."""
    plain, _, numbers = name.rpartition("@")
    if not plain or numbers not in NUMBERS or Path(name).is_dir():
        return name, plan
    return plain, replace(plan, **NUMBERS[numbers])


def load_model(checkpoint: Checkpoint, plan: LoadPlan, progress: Progress) -> Decoder:
    """The checkpoint's weights on the device."""
    from codegen_ui.engine.decoders import load_decoder
    from codegen_ui.engine.device import resolve_device, resolve_dtype, resolve_quantize, sum_in_full_precision
    from codegen_ui.engine.fixed.fixed_steps import resolve_graphs

    use_threads(plan.threads)
    sum_in_full_precision()
    device = resolve_device(plan.device)
    resolve_graphs(plan.cuda_graphs, device)  # refused before the weights are read
    return load_decoder(
        checkpoint.config,
        checkpoint.weights,
        device=device,
        dtype=resolve_dtype(plan.dtype, device),
        quantize=resolve_quantize(plan.quantize, device),
        progress=lambda done, total: progress("loading weights", done, total),
        compiling=lambda text: progress(text, 0, None),
    )


def start_engine(
    checkpoint: Checkpoint,
    model: Decoder,
    plan: LoadPlan,
    start: float,
    tell: Callable[[str], None],
) -> LocalEngine:
    """An engine around the model; `start` is when loading began, in `time.monotonic()` seconds. `tell` as its own."""
    from codegen_ui.bundled.common_code import common_code
    from codegen_ui.engine.decoders import why_not_native
    from codegen_ui.engine.device import device_name, memory_used
    from codegen_ui.engine.host import LocalEngine

    config = checkpoint.config
    info = ModelInfo(
        name=checkpoint.name,
        architecture="CodeGenForCausalLM",
        context=config.n_positions,
        revision="" if checkpoint.name == BUNDLED or Path(checkpoint.name).is_dir() else plan.revision or "",
        parameters=parameter_count(config),
        layers=config.n_layer,
        width=config.n_embd,
        heads=config.n_head,
        vocabulary=config.vocab_size,
        dtype=dtype_name(model.dtype),
        quantize=model.quantize,
        batch_invariant=model.batch_invariant,
        batch_note=why_not_native(config, model.device, model.dtype, model.quantize) or "",
        lookup=plan.lookup,
        device=str(model.device),
        device_name=device_name(model.device),
        weights_bytes=model.weights_bytes,
        memory_bytes=memory_used(model.device),
        load_seconds=time.monotonic() - start,
    )
    return LocalEngine(model, checkpoint.tokenizer, info, plan, common_code() if plan.lookup else (), tell)


ADVICE = "Choose a smaller model, quantize int8, or dtype bfloat16, or use a machine with more memory."


def check_memory(name: str, config: ModelConfig, plan: LoadPlan) -> None:
    """Raises `ModelUnavailable` before weights are downloaded or read where they cannot fit."""
    from codegen_ui.engine.device import memory_free, resolve_device, resolve_dtype, resolve_quantize

    device = resolve_device(plan.device)
    dtype = dtype_name(resolve_dtype(plan.dtype, device))
    quantize = resolve_quantize(plan.quantize, device)
    needed, free = required_bytes(config, dtype, quantize=quantize), memory_free(device)
    if free < needed:
        how = dtype if quantize == "none" else f"{dtype} with {quantize} weights"
        raise ModelUnavailable(
            name,
            f"it needs {naturalsize(needed)} of memory in {how}, "
            f"and {naturalsize(free)} are free on {device.type}. {ADVICE}",
        )


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def check_options(options: Mapping[str, Any]) -> LoadPlan:
    """Raises `InvalidInput` naming the option, its value and what is allowed."""
    refuse_unknown(LoadPlan, options, "progress")
    progress = options.get("progress") or no_progress
    if not callable(progress):
        raise InvalidInput("progress", progress, "a function of (stage, done, total)")
    return LoadPlan(**{**options, "progress": progress})
