"""Short functions described in other words than those of their signature: fragments, questions, remarks.

`drills` says what to do with the names of the parameters.  Here the description speaks of things ("the lamps", "each
lamp"), and what they are called has to be read in the signature, where they may be `lamps`, `lamp_prices` or `vorks`.
"""

# ruff: noqa: E501 -- tables, one operation a row
from __future__ import annotations

import random
from dataclasses import dataclass

from codegen_ui.bundled import naming, phrasing
from codegen_ui.bundled.drills import ITEMS, VALUES, fill, replace_item
from codegen_ui.bundled.task import indent

# words in a function's name | what is said, of the As, one a, B and C | the expression | kinds, see `drills`
Operation = tuple[str, str, str, str]
LISTS: tuple[Operation, ...] = (
    ("sum total add_up", "Total of {A}|{A} in total|The sum over {A}|Sum {A}|Adds up {A}|What do {A} come to?|{A} summed up|Everything in {A} put together|Sum total of {A}|How much is it with every {a} added?|Adds one {a} after the other", "sum(A)", "l"),
    ("max largest biggest highest top most", "Largest of {A}|The biggest {a}|The maximum of {A}|Which of {A} is the largest?|Top value in {A}|The {a} that no other exceeds|{A}: the greatest one|Highest {a}|Maximum over {A}|How high does any {a} go?|The {a} with the most", "max(A)", "l"),
    ("min smallest lowest least", "Smallest of {A}|The littlest {a}|The minimum of {A}|Which of {A} is the smallest?|Bottom value in {A}|The {a} that is below all others|{A}: the least one|Lowest {a}|Minimum over {A}|How low does any {a} go?|The {a} with the least", "min(A)", "l"),
    ("mean average typical", "Mean of {A}|The average {a}|{A} on average|What is the usual {a}, as a mean?|Arithmetic mean over {A}|{A}: sum divided by their number|The average of {A}, of which there is at least one|Mean {a}", "sum(A) / len(A)", "l"),
    ("count number how_many size", "How many {A} there are|Count {A}|The number of {A}|{A}, counted|What number of {A} is there?|Size of {A}|How long is the list of {A}?|Counts every {a}|{A}: how many?", "len(A)", "l"),
    ("first head front leading", "The first {a}|Whatever comes first in {A}|The {a} at the start|Head of {A}|Which {a} leads {A}?|{A}: the one in position zero|The {a} before all others", "A[0]", "l"),
    ("last tail final rear latest", "The last {a}|Whatever comes last in {A}|The {a} at the very end|Tail of {A}|Which {a} ends {A}?|{A}: the one in the last position|The {a} after all others|Latest of {A}", "A[-1]", "l"),
    ("reverse backwards flip turn_around", "{A} backwards|{A} from the end to the start|Turns {A} around|A reversed copy of {A}|{A}, the last one first|The other way round: {A}|Flip the order of {A}|Reverse {A}", "A[::-1]", "l"),
    ("sort order rank arrange", "{A} from small to large|Sort {A}|{A}, sorted|A sorted copy of {A}|Orders {A} by value|Put {A} into order|{A} by size, the smallest at the front|Lowest {a} at the start, highest at the end", "sorted(A)", "l"),
    ("sort_down rank descending", "{A} from large to small|Sort {A} the wrong way round|{A}, the largest one first|Highest {a} at the start, lowest at the end|{A} in falling order", "sorted(A, reverse=True)", "l"),
    ("even evens only_even", "Those of {A} that are even|Even {A} alone|Filter {A}: even ones stay|Leaves out every odd {a}|{A} which two divides|Only the even {a} stays|Drop what is odd from {A}", "[X for X in A if X % 2 == 0]", "l"),
    ("odd odds only_odd", "Those of {A} that are odd|Odd {A} alone|Filter {A}: odd ones stay|Leaves out every even {a}|{A} which two does not divide|Drop what is even from {A}", "[X for X in A if X % 2 != 0]", "l"),
    ("count_even evens", "How many of {A} are even|Count the even {A}|The number of even {A}|Counts {A} that two divides|Even {A}: how many are there?", "sum(1 for X in A if X % 2 == 0)", "l"),
    ("count_odd odds", "How many of {A} are odd|Count the odd {A}|The number of odd {A}|Counts {A} that two does not divide|Odd {A}: how many are there?", "sum(1 for X in A if X % 2 != 0)", "l"),
    ("squares square squared", "{A}, squared|The square of every {a}|Multiply each {a} by itself|Squares of {A}|Every {a} times itself|For each {a} its square|A list of squares made from {A}", "[X * X for X in A]", "l"),
    ("double doubled twice", "{A}, doubled|Twice every {a}|Double each {a}|Each {a} times two|For each {a} twice as much", "[X * 2 for X in A]", "l"),
    ("unique distinct no_duplicates", "{A} with duplicates gone|Each different {a} once|Drop {A} that came before|{A}, none of them twice|Distinct {A} as they come|Only the first of equal {A} stays|Unique {A}, in the order of their coming", "list(dict.fromkeys(A))", "l"),
    ("positive positives", "Those of {A} above zero|Positive {A} alone|Leaves out every {a} that is not positive", "[X for X in A if X > 0]", "l"),
    ("above over more_than greater", "{A} above {B}|{A} that are more than {B}|Every {a} that exceeds {B}|{A} larger than {B}|Filter {A} by being over {B}|Which of {A} are greater than {B}?|Keeps {A} that top {B}", "[X for X in A if X > B]", "ln"),
    ("below under less_than", "{A} below {B}|{A} that are less than {B}|Every {a} that stays under {B}|{A} smaller than {B}|Which of {A} are less than {B}?", "[X for X in A if X < B]", "ln"),
    ("has contains find", "Is {B} one of {A}?|Whether {A} hold {B}|True if {B} is found in {A}|Do {A} have {B} among them?", "B in A", "ln"),
    ("without drop leave_out", "{A} without {B}|{A} but for {B}|Leaves {B} out of {A}", "[X for X in A if X != B]", "ln"),
    ("upper capitals upper_case", "{A} in capital letters|{A}, written in upper case|Every {a} in capitals|Upper case for each {a}|Make each {a} upper case|All letters of {A} turned into capitals", "[X.upper() for X in A]", "w"),
    ("lower small_letters", "{A} in small letters|{A}, written in lower case|Every {a} in lower case|Make each {a} lower case", "[X.lower() for X in A]", "w"),
    ("lengths sizes letters", "How long each {a} is|Lengths of {A}|The length of every {a}|How many letters has each {a}?|For each {a} the number of its characters|Count the letters {a} by {a}", "[len(X) for X in A]", "w"),
    ("join together", "{A} as one text|{A} joined by blanks|Put {A} into one text with a blank after each|All of {A}, a space between them|Join {A} to a sentence|A sentence made from {A}", '" ".join(A)', "w"),
    ("commas join list_out", "{A} with commas between them|Join {A} by commas|One text: {A}, separated by commas", '", ".join(A)', "w"),
    ("longest", "The longest {a}|Which {a} has the most letters?|Longest of {A}", "max(A, key=len)", "w"),
    ("shortest", "The shortest {a}|Which {a} has the fewest letters?|Shortest of {A}", "min(A, key=len)", "w"),
    ("initials first_letters", "The first letter of each {a}|Initials of {A}", "[X[0] for X in A]", "w"),
    ("occurrences counts times_each", "How often each {a} comes|A dictionary: {a} and how often it comes|Counts of {A}, by {a}|Map every {a} to its count", "{X: A.count(X) for X in A}", "w"),
)  # fmt: skip
TEXTS: tuple[Operation, ...] = (
    ("upper capitals loud", "{A} in capital letters|{A}, in upper case|Capitals for all of {A}|Upper-case version of {A}|Turn {A} into capitals|{A} written large", "A.upper()", "s"),
    ("lower quiet small", "{A} in small letters|{A}, in lower case|Lower-case version of {A}|Turn {A} into small letters", "A.lower()", "s"),
    ("reverse backwards turned", "{A} backwards|{A} read from the right|The letters of {A} from last to first|Turn {A} around|{A}, its end at the beginning|Reversed {A}|Spell {A} from behind", "A[::-1]", "s"),
    ("length letters size", "How long {A} is|The length of {A}|How many characters has {A}?|Characters in {A}, counted", "len(A)", "s"),
    ("vowels count_vowels", "Count the vowels of {A}|How many vowels {A} has|The number of vowels in {A}|Vowels in {A}: how many?", 'sum(1 for X in A.lower() if X in "aeiou")', "s"),
    ("words count_words", "How many words {A} has|Count the words of {A}|The number of words in {A}", "len(A.split())", "s"),
    ("letters letter_counts counts", "How often each letter comes in {A}|A dictionary of the letters of {A} with their counts|Letters in {A}, each with its number|Count {A} by letter", "{X: A.count(X) for X in A}", "s"),
    ("palindrome same_backwards", "Whether {A} is the same from behind|Is {A} a palindrome?|True if {A} reads alike both ways|Does turning {A} around change nothing?", "A == A[::-1]", "s"),
    ("first initial", "The first letter of {A}|How {A} begins, in one letter|{A}: its initial", "A[0]", "s"),
    ("last ending", "The last letter of {A}|How {A} ends, in one letter", "A[-1]", "s"),
    ("trim strip clean", "{A} without the blanks around it|Cut the blanks off both ends of {A}", "A.strip()", "s"),
    ("repeat times copies", "{A}, {B} times|{B} copies of {A} in a row|{A} again and again, {B} times in all|Write {A} {B} times over", "A * B", "si"),
    ("starts begins", "Does {A} begin with {B}?|True if {A} starts with {B}", "A.startswith(B)", "ss"),
    ("join glue both", "{A} and {B}, a blank between them|{A}, then a space, then {B}", 'A + " " + B', "ss"),
    ("append both", "{A} with {B} behind it|{A} and {B} as one text", "A + B", "ss"),
)  # fmt: skip
NUMBERS: tuple[Operation, ...] = (
    ("sum add total plus", "{A} and {B} together|The sum: {A} plus {B}|Add {B} to {A}|{A} with {B} on top|What {A} and {B} make|How much are {A} and {B}, added?|{A} and {B} in all", "A + B", "nn"),
    ("subtract minus difference left", "{A} without {B}|Take {B} away from {A}|{A} less {B}|What is left of {A} after {B}?|The difference: {A} minus {B}|{A} reduced by {B}|Remove {B} from {A}", "A - B", "nn"),
    ("times multiply product area", "{A} times {B}|The product: {A} by {B}|Multiply {A} and {B}|{B} times as much as {A}|{A} rows of {B} each: how many in all?|{A} by {B}, multiplied", "A * B", "nn"),
    ("divide ratio per share", "{A} divided by {B}|{A} for each of {B}|How much of {A} does each of {B} get?|Ratio: {A} to {B}|Split {A} into {B} equal shares", "A / B", "nn"),
    ("rest remainder left_over", "What stays over when {A} is divided by {B}|The rest of {A} after dividing by {B}", "A % B", "nn"),
    ("divisible divides shareable", "Does {B} divide {A}?|Can {A} be split by {B} with no rest?|True if {A} is a multiple of {B}|Whether dividing {A} by {B} leaves no rest|Is there nothing left of {A} after sharing by {B}?", "A % B == 0", "nn"),
    ("more exceeds above bigger", "Is {A} more than {B}?|Whether {A} is above {B}|True if {A} is greater than {B}|Does {A} exceed {B}?|{A} beats {B}: true or false?", "A > B", "nn"),
    ("less under smaller", "Is {A} less than {B}?|Whether {A} is under {B}|True if {A} is smaller than {B}|Does {A} stay below {B}?", "A < B", "nn"),
    ("equal same", "Are {A} and {B} the same?|True if {A} equals {B}", "A == B", "nn"),
    ("larger max", "The larger one: {A} or {B}|Whichever is more, {A} or {B}", "max(A, B)", "nn"),
    ("smaller min", "The smaller one: {A} or {B}|Whichever is less, {A} or {B}", "min(A, B)", "nn"),
    ("hypotenuse diagonal slope", "The longest side of a right triangle with sides {A} and {B}|Diagonal of a {A} by {B} rectangle|Distance to a point {A} east and {B} north|By the theorem about right triangles: the side across from the corner, given {A} and {B}", "(A ** 2 + B ** 2) ** 0.5", "nn"),
    ("mean middle average", "Halfway from {A} to {B}|The mean of {A} and {B}", "(A + B) / 2", "nn"),
    ("double twice", "{A}, doubled|Twice as much as {A}", "2 * A", "n"),
    ("half halve", "{A}, halved|Half as much as {A}", "A / 2", "n"),
    ("square area", "{A} times itself|The square of {A}|Area of a square with side {A}", "A ** 2", "n"),
    ("even is_even", "Is {A} even?|True if two divides {A}", "A % 2 == 0", "n"),
    ("total sum3", "{A}, {B} and {C} in all|Add up {A}, {B} and {C}", "A + B + C", "nnn"),
    ("cost total_price", "{A} pieces at {B} each|What {A} of them cost at {B} apiece|{B} for every one of {A}", "A * B", "nn"),
)  # fmt: skip
MEASURES = (
    "price", "width", "size", "age", "mark", "cost", "depth", "level", "rate", "volume", "year", "distance", "point",
    "salary", "temperature", "rating", "duration", "page", "stock", "value", "day", "reading", "sale", "vote",
)  # fmt: skip
PLAIN = ("nums", "values", "numbers", "xs", "data", "items", "lst", "arr", "seq")
ASIDES = (
    "We have a list of {things}.", "Someone wrote down {things}.", "Made for {things}.", "It is about {things}.", "They are in no order.",
    "Think of {things}.", "Used where {things} are kept.", "The result is new.", "Nothing is changed.", "Called once a day.", "Handy for {things}.",
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """A parameter with how a description speaks of it: all of them, and one of them."""

    name: str
    all: str
    one: str


def thing(draw: random.Random, kind: str, taken: set[str]) -> Thing:
    """Something of a kind (see `drills`), named after what is said of it, or not at all so."""
    while True:
        made = _many(draw, kind) if kind in "lw" else _single(draw, kind)
        if made.name.isidentifier() and made.name not in taken | naming.TAKEN:
            return made


def _many(draw: random.Random, kind: str) -> Thing:
    noun = naming.stem(draw)
    nouns = naming.plural(noun)
    one = noun
    if kind == "l" and draw.random() < 0.4:
        measure = draw.choice(MEASURES)
        name, nouns, one = f"{noun}_{measure}s", f"{noun} {measure}s", draw.choice((f"{noun} {measure}", measure, noun))
    else:
        name = draw.choice((nouns, nouns, nouns, f"{noun}_list", f"{draw.choice(naming.QUALIFIERS)}_{nouns}"))
    chance = draw.random()
    if chance < 0.3:  # a name that has nothing to do with it
        name = naming.identifier(draw, set(), many=True) if chance < 0.22 else draw.choice(PLAIN)
    said = draw.choice(
        (
            f"the {nouns}",
            f"the {nouns}",
            f"these {nouns}",
            f"all {nouns}",
            f"our {nouns}",
            nouns,
            nouns,
            name,
            f"the {name.replace('_', ' ')}",
            "them",
        )
    )
    return Thing(name, said, one if draw.random() < 0.85 else "one")


def _single(draw: random.Random, kind: str) -> Thing:
    name = naming.identifier(draw, set())
    if kind == "s" and draw.random() < 0.25:
        name = f"{naming.stem(draw)}_{draw.choice(('text', 'word', 'name', 'line', 'title', 'label', 'key'))}"
    spoken = name.replace("_", " ")
    said = draw.choice((name, name, name, f"the {spoken}", spoken, f"the {spoken}", spoken.split()[-1]))
    return Thing(name, said, said)


def loose_drill(draw: random.Random) -> str:
    """One function or up to three, as a document."""
    return "\n\n\n".join(one_of(draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))) + "\n"


def one_of(draw: random.Random) -> str:
    """A function with a loose description as docstring or comment; run once on values of the kinds that it takes."""
    words, said, expression, kinds = draw.choice(draw.choices((LISTS, TEXTS, NUMBERS), (5, 2, 3))[0])
    things: list[Thing] = []
    for kind in kinds:
        things.append(thing(draw, kind, {each.name for each in things}))
    names = tuple(each.name for each in things)
    name = _function_name(draw, words.split(), things)
    item = next(item for item in draw.sample(ITEMS, len(ITEMS)) if item not in (*names, name))
    result = replace_item(fill(expression, names), item)
    spoken = dict(zip("ABC", (each.all for each in things), strict=False)) | {"a": things[0].one}
    text = draw.choice(said.split("|")).format(**spoken)
    if draw.random() < 0.15:
        aside = draw.choice(ASIDES).format(things=naming.plural(naming.stem(draw)))
        text = f"{aside} {phrasing.capital(text)}" if draw.random() < 0.4 else f"{text.rstrip('?')}. {aside}"
    text = phrasing.capital(text) if draw.random() < 0.95 else text
    text += "" if text.endswith((".", "?")) or draw.random() < 0.1 else "."
    lines = [f"return {result}"]
    if draw.random() < 0.1:
        local = naming.identifier(draw, {*names, name, item})
        lines = [f"{local} = {result}", f"return {local}"]
    head, body = f"def {name}({', '.join(names)}):", "\n".join(lines)
    scope: dict[str, object] = {}
    exec(head + "\n" + indent(body), scope)
    eval(f"{name}({', '.join(str(VALUES[kind][i]) for i, kind in enumerate(kinds))})", scope)
    if draw.random() < 0.85:
        return head + "\n" + indent(f'"""{text}"""\n{body}')
    return "\n".join("# " + line for line in phrasing.wrap(text, 90)) + f"\n{head}\n" + indent(body)


def _function_name(draw: random.Random, words: list[str], things: list[Thing]) -> str:
    """After what it does, what it is about, both or neither; never one of the parameters."""
    taken = {each.name for each in things}
    noun = draw.choice((naming.stem(draw), things[0].one.replace(" ", "_"), things[0].name))
    word = draw.choice(words)
    name = draw.choice((f"{word}_{noun}", f"{word}_{noun}", f"{noun}_{word}", noun, naming.identifier(draw, taken)))
    return name if name.isidentifier() and name not in taken | naming.TAKEN else naming.identifier(draw, taken)
