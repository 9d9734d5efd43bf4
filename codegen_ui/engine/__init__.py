"""CodeGen on a slot KV cache with continuous batching. Nothing in here knows of pages or HTTP."""
