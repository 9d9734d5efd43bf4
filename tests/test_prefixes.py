"""Which prefixes are kept, found and dropped."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from codegen_ui.engine.kv.prefixes import PrefixCache, common_prefix


@dataclass(frozen=True)
class FakeKV:
    bytes: int


def filled(budget: int, *runs: str) -> PrefixCache[FakeKV]:
    cache: PrefixCache[FakeKV] = PrefixCache(budget)
    for run in runs:
        cache.put([ord(c) for c in run], FakeKV(len(run)))
    return cache


def found(cache: PrefixCache[FakeKV], prompt: str) -> int:
    hit = cache.longest([ord(c) for c in prompt])
    return 0 if hit is None else hit.tokens


def test_the_longest_common_prefix_is_found() -> None:
    cache = filled(100, "abcdef", "abcxyz", "hello")
    assert found(cache, "abcxy and more") == 5
    assert found(cache, "abd") == 2
    assert found(cache, "nothing") == 0


def test_the_last_token_of_a_prompt_is_never_taken_from_the_cache() -> None:
    assert found(filled(100, "abcdef"), "abcdef") == 5
    assert found(filled(100, "abcdef"), "a") == 0


def test_the_least_recently_used_leaves_first_and_the_budget_holds() -> None:
    cache = filled(10, "aaaa", "bbbb")
    assert found(cache, "aaaax") == 4
    cache.put([ord("c")] * 4, FakeKV(4))
    assert (found(cache, "aaaax"), found(cache, "bbbbx"), found(cache, "ccccx")) == (4, 0, 4)
    assert cache.bytes == 8


def test_an_entry_that_begins_another_takes_no_room() -> None:
    cache = filled(100, "abc", "abcdef")
    assert (len(cache), cache.bytes) == (1, 6)
    cache.put([ord(c) for c in "abcd"], FakeKV(4))
    assert (len(cache), cache.bytes) == (1, 6)


def test_nothing_is_kept_without_a_budget_or_over_it() -> None:
    assert len(filled(0, "a")) == 0
    assert len(filled(3, "abcd")) == 0


@given(st.lists(st.text("ab", min_size=1, max_size=12), max_size=20), st.text("ab", min_size=1, max_size=12))
def test_what_is_found_is_the_best_of_what_is_kept(runs: list[str], prompt: str) -> None:
    cache = filled(1000, *runs)
    best = max((common_prefix(run, prompt[:-1]) for run in runs), default=0)
    assert found(cache, prompt) == best
    assert cache.bytes == sum(len(key) for key in cache._entries)


@given(st.text("ab"), st.text("ab"))
def test_common_prefix_agrees_with_counting(a: str, b: str) -> None:
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    assert common_prefix(a, b) == count
