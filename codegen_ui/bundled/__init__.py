"""The bundled checkpoint, its model card, and the recipe that trained it.

The result of the recipe lives in `checkpoint/` beside this file and loads with
`CodeGenForCausalLM.from_pretrained`.  The recipe is one command a step:

    python -m codegen_ui.bundled.corpus      # fetched packages and written textbook tasks
    python -m codegen_ui.bundled.tokenizer   # byte-level BPE in CodeGen's layout
    python -m codegen_ui.bundled.train       # resumable; a time budget, not a step count
    python -m codegen_ui.bundled.export      # training state -> checkpoint folder
    python -m codegen_ui.bundled.evaluate    # the figures of the model card
    python -m codegen_ui.bundled.card        # the model card
"""

from pathlib import Path

CHECKPOINT_DIR = Path(__file__).parent / "checkpoint"
DEFAULT_WORK = Path.home() / ".cache" / "codegen-ui" / "training"

__all__ = ["CHECKPOINT_DIR", "DEFAULT_WORK"]
