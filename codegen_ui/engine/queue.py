"""Who waits, and who is next: fair by the tokens that each visitor was served. No torch in here."""

from __future__ import annotations

import heapq
import itertools
from bisect import insort
from dataclasses import dataclass, field

from codegen_ui.engine.sequence import SequenceState
from codegen_ui.request import person

MOST_ABSENT = 1000


@dataclass
class Turn:
    """A running sequence's: how many tokens its visitor had been served before, it took, and it may still take."""

    before: int
    promised: int
    taken: int = 0


@dataclass
class Account:
    """A visitor's: tokens computed for them, tokens that their running sequences may still take, and who waits.

    Their tabs take turns: in every round each has one.
    """

    served: int = 0
    promised: int = 0
    running: int = 0
    last_turn: int = -1
    round: int = 0
    rounds: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, SequenceState]] = field(default_factory=list)

    @property
    def head(self) -> SequenceState:
        return self.waiting[0][2]

    def join(self, sequence: SequenceState) -> None:
        """A sequence waits from now on: in the round after its tab's last one, or in the one that is on."""
        mine = max(self.round, self.rounds.get(sequence.visitor, -1) + 1)
        self.rounds[sequence.visitor] = mine
        insort(self.waiting, (mine, sequence.arrival, sequence))

    def pop(self) -> SequenceState:
        """Take who is next."""
        self.round, _, sequence = self.waiting.pop(0)
        if len(self.rounds) > MOST_ABSENT:
            self.rounds = {tab: last for tab, last in self.rounds.items() if last >= self.round}
        return sequence

    def leave(self, sequence: SequenceState) -> None:
        """It does not wait any more."""
        self.waiting = [entry for entry in self.waiting if entry[2] is not sequence]

    def key(self) -> tuple[int, int, int]:
        """Least first: tokens served and promised; among equals who waited longest without a turn."""
        head = self.head
        return self.served + self.promised, max(head.arrival, self.last_turn), head.arrival


class FairQueue:
    """Waiting sequences. Not thread-safe: the engine's thread has it.

    The next place goes to the visitor who was served the fewest tokens, those included that their running requests
    may still take: so a visitor with long completions gets no more than one with short ones, and a hundred requests
    of one no more than one of another. A visitor is an address: tabs can be made up. Within one visitor the tabs take
    turns, and of one tab the oldest is first. A visitor who comes (back) starts at
    the level that those served meanwhile have reached: having been away earns nothing, and nobody is passed for ever
    by newcomers.
    """

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._turns: dict[SequenceState, Turn] = {}
        self._clock = itertools.count()
        self._level = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, sequence: SequenceState) -> bool:
        account = self._accounts.get(person(sequence.visitor))
        return account is not None and any(entry[2] is sequence for entry in account.waiting)

    def add(self, sequence: SequenceState) -> None:
        sequence.arrival = next(self._clock)
        account = self._accounts.setdefault(person(sequence.visitor), Account())
        if not account.waiting and not account.running:
            account.served = max(account.served, self._level)
        account.join(sequence)
        self._size += 1

    def next(self) -> SequenceState:
        """Take who is to be served next; its turn lasts until `ended`. Raises `ValueError` where nobody waits."""
        account = min((a for a in self._accounts.values() if a.waiting), key=Account.key)
        sequence = account.pop()
        self._size -= 1
        self._turns[sequence] = turn = Turn(account.served, sequence.cost)
        account.running += 1
        account.promised += turn.promised
        account.last_turn = next(self._clock)
        return sequence

    def served(self, sequence: SequenceState, tokens: int) -> None:
        """`tokens` tokens of a running sequence were computed."""
        self.spared(sequence, tokens)
        self._turns[sequence].taken += tokens
        self._account(sequence).served += tokens

    def spared(self, sequence: SequenceState, tokens: int) -> None:
        """So many tokens of a running sequence need not be computed: they are there."""
        self._turns[sequence].promised -= tokens
        self._account(sequence).promised -= tokens

    def leave(self, sequence: SequenceState) -> None:
        """A waiting sequence goes away."""
        self._account(sequence).leave(sequence)
        self._size -= 1
        self._forget_absent()

    def ended(self, sequence: SequenceState) -> None:
        """A running sequence's turn is over; what it did not take is nobody's debt."""
        account, turn = self._account(sequence), self._turns.pop(sequence)
        account.running -= 1
        account.promised -= turn.promised
        account.last_turn = next(self._clock)
        self._level = max(self._level, min(account.served, turn.before + turn.taken))
        self._forget_absent()

    def order(self) -> list[SequenceState]:
        """The waiting ones as they would be served if everybody took all that they may, and nobody else came."""
        turns, rest = [], {}
        for index, account in enumerate(self._accounts.values()):
            if account.waiting:
                turns.append((*account.key(), index))
                rest[index] = iter([entry[2] for entry in account.waiting])
        heapq.heapify(turns)
        ordered: list[SequenceState] = []
        heads = {index: next(waiting) for index, waiting in rest.items()}
        clock = itertools.count(next(self._clock))
        while turns:
            level, _, _, index = turns[0]
            sequence, following = heads[index], next(rest[index], None)
            ordered.append(sequence)
            turn = next(clock)
            if following is None:
                heapq.heappop(turns)
            else:
                heads[index] = following
                heapq.heapreplace(turns, (level + sequence.cost, turn, following.arrival, index))
        return ordered

    def faults(self) -> list[str]:
        """What is left though nobody is here, in words."""
        found = [f"{name!r} has a turn" for name, a in self._accounts.items() if a.running or a.promised or a.waiting]
        if self._size or self._turns:
            found.append(f"{self._size} wait, {len(self._turns)} have a turn")
        return found

    def _account(self, sequence: SequenceState) -> Account:
        return self._accounts[person(sequence.visitor)]

    def _forget_absent(self) -> None:
        """Visitors with nothing here are remembered while that tells something, and not too many."""
        if len(self._accounts) > MOST_ABSENT + self._size + len(self._turns):
            absent = [name for name, a in self._accounts.items() if not a.waiting and not a.running]
            for name in absent:
                del self._accounts[name]
        if not self._size and not self._turns:
            self._accounts.clear()
            self._level = 0
