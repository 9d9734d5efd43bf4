"""What a visitor writes: the kinds of a prompt and of stop strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from codegen_ui.errors import InvalidInput
from codegen_ui.kinds import Integer, Kind

MAX_PROMPT_CHARACTERS = 200_000
MAX_STOP_STRINGS = 16
MAX_STOP_CHARACTERS = 200


@dataclass(frozen=True)
class Prompt(Kind):
    """Text that can be tokenized, or token ids, which are used as they are."""

    limit: ClassVar[str] = "text or a list of token ids"

    def check(self, name: str, value: Any) -> str | tuple[int, ...]:
        if isinstance(value, str):
            return self.check_text(name, value)
        if not isinstance(value, Sequence) or isinstance(value, bytes):
            raise InvalidInput(name, value, self.limit)
        if not value:
            raise InvalidInput(name, value, "at least one token")
        if len(value) > MAX_PROMPT_CHARACTERS:
            raise InvalidInput(name, f"{len(value)} token ids", f"at most {MAX_PROMPT_CHARACTERS} token ids")
        return tuple(TOKEN_ID.check(name, token) for token in value)

    def check_text(self, name: str, text: str) -> str:
        if not text:
            raise InvalidInput(name, text, "at least one character")
        if len(text) > MAX_PROMPT_CHARACTERS:
            raise InvalidInput(name, f"a text of {len(text):,} characters", f"at most {MAX_PROMPT_CHARACTERS:,}")
        if "\0" in text:
            raise InvalidInput(name, f"a NUL byte at character {text.index(chr(0))}", "text without NUL bytes")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            found = f"a lone surrogate at character {error.start}"
            raise InvalidInput(name, found, "text that can be written as UTF-8") from None
        return text


TOKEN_ID = Integer(0, 2**31 - 1)
PROMPT = Prompt()


@dataclass(frozen=True)
class StopStrings(Kind):
    """One string or several."""

    @property
    def limit(self) -> str:
        return f"at most {MAX_STOP_STRINGS} strings of 1 to {MAX_STOP_CHARACTERS} characters"

    def check(self, name: str, value: Any) -> tuple[str, ...]:
        strings = (value,) if isinstance(value, str) else value
        if not isinstance(strings, Sequence):
            raise InvalidInput(name, value, "a list of strings")
        if len(strings) > MAX_STOP_STRINGS:
            raise InvalidInput(name, f"{len(strings)} strings", f"at most {MAX_STOP_STRINGS} strings")
        for string in strings:
            if not isinstance(string, str) or not 1 <= len(string) <= MAX_STOP_CHARACTERS:
                raise InvalidInput(name, string, f"strings of 1 to {MAX_STOP_CHARACTERS} characters")
        return tuple(strings)

    def show(self, value: Any) -> str:
        return repr(list(value)) if value else ""
