"""What may go wrong in a step, and what visitors are told of it."""

from __future__ import annotations

import torch

from codegen_ui.errors import GenerationFailed


def out_of_memory(error: BaseException) -> bool:
    """Python's, a GPU's, or the CPU allocator's way of saying it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def failure(error: BaseException) -> GenerationFailed:
    """What a generation ends with, the cause attached; without its traceback, whose frames would keep the weights."""
    if out_of_memory(error):
        message = "The memory did not suffice to go on generating; the text so far is kept."
    elif isinstance(error, OverflowError):
        message = (
            "The model's numbers overflowed while generating; the text so far is kept. "
            "A dtype of bfloat16 or float32 may avoid it."
        )
    else:
        message = f"The engine failed while generating ({type(error).__name__}); the text so far is kept."
    found = GenerationFailed(message)
    found.__cause__ = error.with_traceback(None)
    return found
