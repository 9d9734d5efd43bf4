"""OpenVINO's side of the comparison, for the Python of an environment that has it; `peers.py` starts and asks it.

It answers a line of JSON, `{"prompts": [[...]], "new_tokens": 64}`, with another, `{"tokens": 512, "seconds": 1.2}`.
The first line that it writes is `{"ready": true}`. Nothing of this project is imported here.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any


def load(source: str, folder: Path, threads: str) -> Any:
    """The checkpoint in OpenVINO's format, converted once into `folder`: 8-bit weights, symmetric, as ours are."""
    from optimum.intel import OVModelForCausalLM, OVWeightQuantizationConfig

    how = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "64"}
    if not (folder / "openvino_model.bin").exists():
        weights = OVWeightQuantizationConfig(bits=8, sym=True)
        OVModelForCausalLM.from_pretrained(source, export=True, quantization_config=weights).save_pretrained(folder)
    return OVModelForCausalLM.from_pretrained(str(folder), ov_config=how)


def generate(model: Any, prompts: list[list[int]], new_tokens: int) -> dict[str, float]:
    """Greedily, a static batch; how many tokens, in how many seconds."""
    import torch

    ids = torch.tensor(prompts)
    begin = time.perf_counter()
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        min_new_tokens=new_tokens,
        max_new_tokens=new_tokens,
        eos_token_id=None,
        pad_token_id=0,
    )
    return {"tokens": output[:, ids.shape[1] :].numel(), "seconds": time.perf_counter() - begin}


def main() -> None:
    source, folder, threads = sys.argv[1:]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    model = load(source, Path(folder), threads)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(generate(model, asked["prompts"], asked["new_tokens"])), file=answers, flush=True)


if __name__ == "__main__":
    main()
