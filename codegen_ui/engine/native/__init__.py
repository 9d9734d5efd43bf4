"""The decoder in int8 on a CPU: a step is one call of a function that numba compiles on this machine.

- `vectors`: 16 numbers at a time; `gemm`, `attend`, `rows`: products of packed weights, attention, what happens to a
  row between them.
- `step`: the whole step, run by PyTorch's own threads (`team`); `compiled`, `locator`: where its code is kept.
- `cache`, `workspace`: keys and values, buffers, as the kernels want them; `model`: all of it.
"""
