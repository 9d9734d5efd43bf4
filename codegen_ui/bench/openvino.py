"""OpenVINO as a contender: a process of another environment, whose packages do not go with ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from codegen_ui.bench.bench_model import BenchModel
from codegen_ui.bench.contenders import checked, random_prompts


class OpenVINO:
    """int8 weights, activations quantised in groups of 64, a static batch, as many threads as PyTorch.

    A context manager. Raises `RuntimeError` where the other process ends.

    Args:
        python: the interpreter of an environment with `requirements-openvino.txt`.
    """

    def __init__(self, model: BenchModel, prompt_tokens: int, python: str) -> None:
        import torch

        script = Path(__file__).with_name("openvino_process.py")
        folder = f"{model.folder.rstrip('/')}-openvino-int8"
        threads = str(torch.get_num_threads())
        # -I: neither this folder nor this environment is any of its business.
        command = [python, "-I", str(script), model.folder, folder, threads]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._prompt = prompt_tokens
        self._reply()

    def seconds(self, streams: int, new_tokens: int, prompt_tokens: int | None = None) -> float:
        prompts = random_prompts(streams, prompt_tokens or self._prompt, ids=256)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"prompts": prompts, "new_tokens": new_tokens}) + "\n")
        self._process.stdin.flush()
        reply = self._reply()
        return checked(reply["seconds"], reply["tokens"], streams * new_tokens)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> OpenVINO:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _reply(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"OpenVINO's process ended with {self._process.wait()}")
        reply: dict[str, Any] = json.loads(line)
        return reply
