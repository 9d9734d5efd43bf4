"""What a step costs on this machine, learned from the steps themselves, and what follows from it. No torch in here."""

from __future__ import annotations

MAX_STALL_STEPS = 1.9
"""A step that also prefills should take this many pure decode steps; the longest is to stay under 3."""
IDLE_STEP_SECONDS = 0.25
"""How long a step may take while nobody decodes: how late a stop or a newcomer is noticed."""
MIN_CHUNK, MIN_IDLE_CHUNK = 4, 32
READING = 15
"""Reading a prompt's keys and values takes as long as this many tokens' attention to them."""
MAX_CHUNK = 1024
UNKNOWN_TOKEN_SECONDS = 0.004
LEARNING_RATE = 0.3


class StepCosts:
    """Running estimates of seconds per step.

    Args:
        fixed_chunk: prompt tokens per step, whatever they cost; None adapts.
    """

    def __init__(self, fixed_chunk: int | None = None) -> None:
        self._fixed = fixed_chunk
        self._decode: dict[int, float] = {}
        self._prefill_token: float | None = None
        self._attention = 0.0

    def observe(self, rows: int, prefill_tokens: int, seconds: float, *, context: int = 0) -> None:
        """A step took `seconds`.

        It had `rows` decode rows (drafts included) and `prefill_tokens` prompt tokens, of prompts of which `context`
        tokens had been computed before: each new token attends to those, and every chunk reads them again.
        """
        if prefill_tokens == 0:
            self._decode[rows] = blend(self._decode.get(rows), seconds)
            return
        # A step reads the weights once, whatever it computes: what one row costs is not the prompt tokens' doing, and
        # no token beside others costs more than one alone. Else one slow step would make chunks small, which would
        # make tokens look dear, which would keep them small.
        extra = seconds - self.step_seconds(max(rows, 1))
        marginal = extra / prefill_tokens
        known = self._prefill_token
        if known is None or not context or marginal < known:
            dearest = self._decode.get(1, marginal)
            self._prefill_token = blend(known, max(min(marginal, dearest), 1e-7))
        else:
            pairs = context * (prefill_tokens + READING)
            self._attention = blend(self._attention or None, (extra - known * prefill_tokens) / pairs)

    def step_seconds(self, rows: int) -> float:
        """Expected seconds of a pure decode step over `rows` rows, linear between and beyond those measured."""
        if rows in self._decode:
            return self._decode[rows]
        known = sorted(self._decode)
        if not known:
            return rows * (self._prefill_token or UNKNOWN_TOKEN_SECONDS)
        below = [n for n in known if n < rows]
        above = [n for n in known if n > rows]
        if not below:
            return self._decode[above[0]]
        low = below[-1]
        if above:
            share = (rows - low) / (above[0] - low)
            return self._decode[low] + share * (self._decode[above[0]] - self._decode[low])
        return self._decode[low] + (rows - low) * (self._prefill_token or UNKNOWN_TOKEN_SECONDS)

    def chunk(self, decode_rows: int, context: int = 0) -> int:
        """Prompt tokens that a step may prefill beside `decode_rows` rows; `context` as in `observe`."""
        if self._fixed is not None:
            return self._fixed
        token = self._prefill_token or UNKNOWN_TOKEN_SECONDS
        if not decode_rows:
            return max(MIN_IDLE_CHUNK, min(MAX_CHUNK, int(IDLE_STEP_SECONDS / token)))
        attention = self._attention * context
        allowed = self.step_seconds(decode_rows) * (MAX_STALL_STEPS - 1) - READING * attention
        return max(MIN_CHUNK, min(MAX_CHUNK, int(allowed / (token + attention))))


def blend(old: float | None, new: float) -> float:
    """An exponential average that a single slow step cannot throw far: a new value counts as at most twice the old."""
    if old is None:
        return new
    return old + LEARNING_RATE * (min(new, 2 * old) - old)
