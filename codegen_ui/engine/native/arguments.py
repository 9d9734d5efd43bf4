"""The tables of int64 in which a step gets everything: one of arguments, and one of each layer's weights."""

from __future__ import annotations

from enum import IntEnum

LONG = 8
PARTS = 8
"""Counters that a layer has, one for each part of its work."""


class Argument(IntEnum):
    """Places in the table of arguments: numbers, and from `EPSILON` on addresses."""

    ROWS = 0
    WANTED = 1
    LAYERS = 2
    WIDTH = 3
    INNER = 4
    HEADS = 5
    ROTARY_PAIRS = 6
    HEAD_PANELS = 7
    LENGTH = 8
    LAYER_CODES = 9
    LAYER_SCALES = 10
    SCRATCH_BYTES = 11
    EPSILON = 12
    WEIGHTS = 13
    LAST = 14
    CODES = 15
    ROW_SCALES = 16
    COUNTERS = 17
    SCRATCH = 18
    TURNS = 19
    POSITIONS = 20
    CACHE_CODES = 21
    CACHE_SCALES = 22
    PLACES_PROJECTED = 23
    PLACES_HIDDEN = 24
    WANTED_PROJECTED = 25
    WANTED_HIDDEN = 26
    PLACES_LOGITS = 27


class Weight(IntEnum):
    """Places in a layer's table, and in that of the final norm and the head, which is the input product there."""

    NORM_WEIGHT = 0
    NORM_BIAS = 1
    IN_PACKED = 2
    IN_SUMS = 3
    IN_SCALES = 4
    IN_BIASES = 5
    OUT_PACKED = 6
    OUT_SUMS = 7
    OUT_SCALES = 8
    OUT_BIASES = 9


FIELDS = len(Weight)
