"""Where numba keeps compiled code: told by what the sources say, not by where they lie."""

from __future__ import annotations

from typing import Any

from numba import config
from numba.core.caching import UserProvidedCacheLocator


class Anywhere(UserProvidedCacheLocator):  # type: ignore[misc]
    """`config.CACHE_DIR` itself, which belongs to one edition of all sources.

    numba's own locator adds the folder of the source: a second checkout or environment would compile the same again.
    """

    def __init__(self, function: Any, file: str) -> None:
        super().__init__(function, file)
        self._cache_path = config.CACHE_DIR
