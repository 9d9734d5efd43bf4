"""Small tasks about everyday things, so that what is asked for is learned apart from what it is asked of.

Every operation is written for every noun, with the noun in the function's name, its parameter and its description:
from `total_prices(prices)` and `total_ages(ages)` follows what another `total_...` should do.
"""

# ruff: noqa: E501 -- tables, one operation a row
from __future__ import annotations

from dataclasses import dataclass

from codegen_ui.bundled.task import Task

WEIGHT = 0.05
NUMBER_NOUNS = (
    "prices/price", "ages/age", "salaries/salary", "temperatures/temperature", "distances/distance", "heights/height",
    "grades/grade", "speeds/speed", "ratings/rating", "votes/vote", "sales/sale", "bills/bill", "fees/fee",
    "readings/reading", "costs/cost", "goals/goal", "payments/payment", "profits/profit", "widths/width",
    "durations/duration", "quantities/quantity", "measurements/measurement", "sizes/size", "expenses/expense",
    "tips/tip", "rents/rent", "balances/balance", "populations/population", "points/point", "hours/hour",
    "minutes/minute", "pages/page", "levels/level", "donations/donation", "delays/delay", "depths/depth",
)  # fmt: skip
TEXT_NOUNS = (
    "names/name", "cities/city", "countries/country", "colors/color", "fruits/fruit", "animals/animal",
    "titles/title", "labels/label", "tags/tag", "authors/author", "books/book", "songs/song", "streets/street",
    "teams/team", "players/player", "flowers/flower", "birds/bird", "languages/language", "topics/topic",
    "tools/tool", "users/user", "emails/email", "files/file", "headings/heading", "messages/message",
    "comments/comment", "brands/brand", "planets/planet", "friends/friend", "dishes/dish",
)  # fmt: skip
SINGLE_NOUNS = (
    "name", "city", "title", "sentence", "message", "label", "heading", "song", "poem", "note", "password", "line",
    "headline", "address", "motto", "greeting", "paragraph", "comment", "caption", "review",
)  # fmt: skip
PAIRS = (
    "apples people", "cookies kids", "seats tables", "pages days", "coins friends", "books shelves", "minutes laps",
    "eggs boxes", "points rounds", "stamps albums", "miles stops", "photos rows", "bricks walls",
)  # fmt: skip
SIDES = (
    "width height", "length width", "base height", "north east", "dx dy", "side_a side_b", "rise run", "depth width",
    "x_distance y_distance", "horizontal vertical",
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """What to do with X. In names and wordings XS is what X holds, ONE one of it; A and B are two numbers."""

    names: str
    wordings: str
    returns: str
    solutions: tuple[str, ...]


Operations = tuple[Operation, ...]
NUMBERS: Operations = (
    Operation("total_XS, sum_XS, XS_total, sum_of_XS, XS_sum, add_XS", "return the total of all the XS|add up the XS|what is the sum of the XS?|sum of all XS.|how much are all XS together?|work out the XS in total|compute the total XS", "float", ("return sum(X)", "total = 0\nfor ONE in X:\n    total += ONE\nreturn total")),
    Operation("largest_ONE, highest_ONE, max_ONE, biggest_ONE, top_ONE, maximum_ONE", "return the largest ONE|find the highest of the XS|which ONE is the biggest?|what is the greatest ONE?|highest of all the XS.|of these XS, return the largest one.|which of the XS is the highest one?", "float", ("return max(X)", "best = X[0]\nfor ONE in X:\n    if ONE > best:\n        best = ONE\nreturn best")),
    Operation("smallest_ONE, lowest_ONE, min_ONE, least_ONE, minimum_ONE", "return the smallest ONE|find the lowest of the XS|which ONE is the smallest?|what is the lowest ONE?|lowest of all the XS.|of these XS, return the least.|which of the XS is the least one?", "float", ("return min(X)", "best = X[0]\nfor ONE in X:\n    if ONE < best:\n        best = ONE\nreturn best")),
    Operation("average_ONE, mean_ONE, avg_ONE, average_XS, mean_of_XS", "return the average ONE|compute the mean of the XS|what is the average ONE?|mean ONE over all XS.|average of the XS, of which there is at least one.", "float", ("return sum(X) / len(X)", "total = 0\nfor ONE in X:\n    total += ONE\nreturn total / len(X)")),
    Operation("even_XS, keep_even_XS, select_even_XS, only_even_XS", "return the even XS|keep only the even XS|which of the XS are even?|select the XS that are even, in a new list|a list of the even XS.", "list[int]", ("return [ONE for ONE in X if ONE % 2 == 0]", "result = []\nfor ONE in X:\n    if ONE % 2 == 0:\n        result.append(ONE)\nreturn result")),
    Operation("odd_XS, keep_odd_XS, select_odd_XS, only_odd_XS", "return the odd XS|keep only the odd XS|which of the XS are odd?|select the XS that are odd, in a new list|a list of the odd XS.", "list[int]", ("return [ONE for ONE in X if ONE % 2 != 0]", "return [ONE for ONE in X if ONE % 2 == 1]")),
    Operation("count_even_XS, number_of_even_XS, even_ONE_count", "count the even XS|how many of the XS are even?|how often is a ONE even?|number of even XS.", "int", ("return sum(1 for ONE in X if ONE % 2 == 0)", "count = 0\nfor ONE in X:\n    if ONE % 2 == 0:\n        count += 1\nreturn count")),
    Operation("count_odd_XS, number_of_odd_XS, odd_ONE_count", "count the odd XS|how many of the XS are odd?|how often is a ONE odd?|number of odd XS.", "int", ("return sum(1 for ONE in X if ONE % 2 != 0)", "count = 0\nfor ONE in X:\n    if ONE % 2 != 0:\n        count += 1\nreturn count")),
    Operation("square_XS, XS_square, square_each_ONE, squares_of_XS", "return the squares of the XS|square every ONE|the square of each ONE, in the same order.|a list with each ONE times itself.", "list[float]", ("return [ONE * ONE for ONE in X]", "return [ONE ** 2 for ONE in X]")),
    Operation("double_XS, doubled_XS, twice_XS", "double every ONE|return the XS doubled|twice each ONE, in the same order.|return a list with every ONE times two", "list[float]", ("return [ONE * 2 for ONE in X]", "return [2 * ONE for ONE in X]")),
    Operation("sort_XS, sorted_XS, order_XS, arrange_XS", "return the XS from low to high|sort the XS|put the XS in ascending order|the XS in order, the lowest first.", "list[float]", ("return sorted(X)",)),
    Operation("sort_XS_descending, rank_XS, XS_high_to_low", "return the XS from high to low|sort the XS in descending order|rank the XS, the highest first|put the biggest ONE first and the smallest last", "list[float]", ("return sorted(X, reverse=True)",)),
    Operation("range_of_XS, XS_range, XS_spread, spread_of_XS", "return the difference between the highest and the lowest ONE|how far apart are the largest and the smallest ONE?|spread of the XS: the highest minus the lowest.", "float", ("return max(X) - min(X)",)),
    Operation("above_average_XS, XS_above_average", "return the XS that are above the average|which XS are higher than their mean?|keep the XS greater than the average ONE", "list[float]", ("average = sum(X) / len(X)\nreturn [ONE for ONE in X if ONE > average]",)),
    Operation("positive_XS, only_positive_XS, keep_positive_XS", "return the XS that are positive|keep the XS above zero|drop each ONE that is zero or negative", "list[float]", ("return [ONE for ONE in X if ONE > 0]",)),
    Operation("any_negative_ONE, has_negative_ONE, negative_XS", "is there a negative ONE among the XS?|return True if any ONE is below zero|check whether one of the XS is negative", "bool", ("return any(ONE < 0 for ONE in X)", "for ONE in X:\n    if ONE < 0:\n        return True\nreturn False")),
    Operation("running_XS, cumulative_XS, running_total_of_XS", "return the running total of the XS|cumulative sums of the XS.|for each ONE the total so far.", "list[float]", ("result = []\ntotal = 0\nfor ONE in X:\n    total += ONE\n    result.append(total)\nreturn result",)),
    Operation("second_highest_ONE, second_largest_ONE, runner_up_ONE", "return the second highest ONE|which ONE comes right after the largest?|find the second largest of the different XS", "float", ("return sorted(set(X))[-2]",)),
    Operation("index_of_highest_ONE, position_of_max_ONE, where_highest_ONE", "return the index of the highest ONE|at which position is the largest ONE?|where in the XS is the highest one?", "int", ("return X.index(max(X))",)),
    Operation("median_ONE, middle_ONE, median_of_XS", "return the median of the XS|find the middle ONE when the XS are sorted|what is the median ONE?", "float", ("ordered = sorted(X)\nmid = len(ordered) // 2\nif len(ordered) % 2 == 1:\n    return ordered[mid]\nreturn (ordered[mid - 1] + ordered[mid]) / 2",)),
)  # fmt: skip
ANY: Operations = (
    Operation("first_ONE, head_of_XS, opening_ONE", "return the first ONE|which ONE comes first?|the ONE at the start of the XS.|the front one of the XS.", "", ("return X[0]",)),
    Operation("last_ONE, final_ONE, end_of_XS, tail_ONE", "return the last ONE|which ONE comes last?|the ONE at the end of the XS.|the ONE in the last place.|final one of the XS.", "", ("return X[-1]",)),
    Operation("reverse_XS, reversed_XS, XS_backwards", "return the XS in reverse order|turn the order of the XS around|the XS from last to first.|the XS backwards: the last one first.", "list", ("return X[::-1]", "return list(reversed(X))")),
    Operation("unique_XS, distinct_XS, different_XS, deduplicate_XS", "return the XS without duplicates, in order|each ONE just once, in the order of first appearance.|drop every repeated ONE but keep the order|list every different ONE one time", "list", ("result = []\nfor ONE in X:\n    if ONE not in result:\n        result.append(ONE)\nreturn result", "seen = set()\nresult = []\nfor ONE in X:\n    if ONE not in seen:\n        seen.add(ONE)\n        result.append(ONE)\nreturn result", "return list(dict.fromkeys(X))")),
    Operation("count_XS, number_of_XS, how_many_XS", "return the number of XS|how many XS are there?|count the XS|size of the list of XS.", "int", ("return len(X)",)),
    Operation("XS_frequency, count_each_ONE, ONE_counts, counts_of_XS", "count how often each ONE occurs|a dictionary from each ONE to how many times it occurs.|how many times is every ONE there? return a dict.|map each ONE to its count", "dict", ("counts = {}\nfor ONE in X:\n    counts[ONE] = counts.get(ONE, 0) + 1\nreturn counts", "counts = {}\nfor ONE in X:\n    if ONE in counts:\n        counts[ONE] += 1\n    else:\n        counts[ONE] = 1\nreturn counts")),
    Operation("most_common_ONE, most_frequent_ONE, favorite_ONE", "return the most common ONE|which ONE occurs most often?|the ONE that is there the most times.", "", ("return max(set(X), key=X.count)",)),
    Operation("no_XS, is_empty_XS, XS_missing", "return True if there are no XS|are the XS empty?|check whether the list of XS is empty", "bool", ("return len(X) == 0", "return not X")),
    Operation("all_but_first_ONE, skip_first_ONE, without_first_ONE", "return all XS but the first|skip the first ONE|the XS after the first one.", "list", ("return X[1:]",)),
    Operation("every_second_ONE, alternate_XS, every_other_ONE", "return every second ONE, starting with the first|skip every other ONE|the XS at even positions.", "list", ("return X[::2]",)),
    Operation("swap_ends_of_XS, first_and_last_ONE", "return the first and the last ONE as a tuple|both ends of the XS: the first and the last ONE.", "tuple", ("return X[0], X[-1]",)),
)  # fmt: skip
TEXTS: Operations = (
    Operation("ONE_lengths, XS_lengths, lengths_of_XS, ONE_sizes", "return the length of every ONE|how long is each ONE?|the number of letters in each ONE, as a list.|for every ONE how many characters it has.", "list[int]", ("return [len(ONE) for ONE in X]", "result = []\nfor ONE in X:\n    result.append(len(ONE))\nreturn result")),
    Operation("upper_XS, uppercase_XS, all_upper_XS", "return every ONE in upper case|turn all XS into capital letters|write each ONE with upper case letters", "list[str]", ("return [ONE.upper() for ONE in X]", "result = []\nfor ONE in X:\n    result.append(ONE.upper())\nreturn result")),
    Operation("lower_XS, lowercase_XS, small_XS", "return every ONE in lower case|turn all XS into small letters|the XS in lower case.", "list[str]", ("return [ONE.lower() for ONE in X]",)),
    Operation("capitalize_XS, title_case_XS", "return every ONE with a capital first letter|capitalize each ONE|let every ONE begin with an upper case letter", "list[str]", ("return [ONE.capitalize() for ONE in X]",)),
    Operation("longest_ONE, longest_of_XS", "return the longest ONE|which ONE has the most letters?|find the ONE with the greatest length", "str", ("return max(X, key=len)", 'longest = ""\nfor ONE in X:\n    if len(ONE) > len(longest):\n        longest = ONE\nreturn longest')),
    Operation("shortest_ONE, shortest_of_XS", "return the shortest ONE|which ONE has the fewest letters?|find the ONE with the least length", "str", ("return min(X, key=len)",)),
    Operation("sort_XS, alphabetical_XS, order_XS", "sort the XS|return the XS in alphabetical order|put the XS in order from a to z", "list[str]", ("return sorted(X)",)),
    Operation("sort_XS_by_length, XS_by_length", "sort the XS by their length|return the XS from the shortest to the longest", "list[str]", ("return sorted(X, key=len)",)),
    Operation("join_XS, XS_to_string, comma_XS, list_XS", "join the XS with a comma and a space|return the XS as one string with commas between them|all XS in one line, separated by commas.", "str", ('return ", ".join(X)',)),
    Operation("ONE_initials, initials_of_XS, first_letters_of_XS", "return the first letter of every ONE|a list of the initials of the XS.|with which letter does each ONE begin?", "list[str]", ("return [ONE[0] for ONE in X]",)),
    Operation("reverse_each_ONE, XS_spelled_backwards", "return every ONE spelled backwards|reverse the letters of each ONE", "list[str]", ("return [ONE[::-1] for ONE in X]",)),
    Operation("ONE_length_map, length_of_each_ONE", "return a dictionary from each ONE to its length|map every ONE to how long it is", "dict[str, int]", ("return {ONE: len(ONE) for ONE in X}",)),
    Operation("total_letters_of_XS, letters_in_XS, total_length_of_XS", "return how many letters all XS have together|total length of the XS.", "int", ("return sum(len(ONE) for ONE in X)",)),
    Operation("group_XS_by_first_letter, index_XS_by_letter", "group the XS by their first letter|a dictionary from first letters to lists of XS.", "dict[str, list[str]]", ("groups = {}\nfor ONE in X:\n    groups.setdefault(ONE[0], []).append(ONE)\nreturn groups",)),
)  # fmt: skip
SINGLES: Operations = (
    Operation("reverse_X, X_backwards, backwards_X, flip_X", "return the X backwards|spell the X from its last letter to its first|the X in reverse: the last character comes first.|read the X from right to left", "str", ("return X[::-1]", 'result = ""\nfor char in X:\n    result = char + result\nreturn result', 'return "".join(reversed(X))')),
    Operation("letter_counts_of_X, count_letters_in_X, X_letters, letters_of_X", "count each letter of the X|a dictionary from every letter of the X to how often it occurs.|how many times is each character there in the X?|map the letters of the X to their counts", "dict[str, int]", ("counts = {}\nfor char in X:\n    counts[char] = counts.get(char, 0) + 1\nreturn counts",)),
    Operation("vowels_in_X, count_vowels_of_X, X_vowels, vowel_count_of_X", "how many vowels has the X?|count the vowels in the X|number of vowels of the X.", "int", ('return sum(1 for char in X.lower() if char in "aeiou")', 'count = 0\nfor char in X:\n    if char.lower() in "aeiou":\n        count += 1\nreturn count')),
    Operation("words_in_X, count_words_of_X, X_word_count", "how many words has the X?|count the words of the X|number of words in the X.", "int", ("return len(X.split())",)),
    Operation("upper_X, uppercase_X, loud_X", "return the X in upper case|the X in capital letters.|the X with upper case letters only.", "str", ("return X.upper()",)),
    Operation("X_without_spaces, remove_spaces_from_X, squeeze_X", "return the X without its spaces|remove all spaces from the X", "str", ('return X.replace(" ", "")',)),
    Operation("is_X_palindrome, X_reads_both_ways", "does the X read the same backwards?|check whether the X is a palindrome", "bool", ("return X == X[::-1]",)),
    Operation("longest_word_of_X, longest_word_in_X", "return the longest word of the X|which word of the X has the most letters?", "str", ("return max(X.split(), key=len)",)),
    Operation("is_empty_X, X_is_blank, blank_X", "is the X empty or only spaces?|return True if the X has nothing but spaces", "bool", ('return X.strip() == ""', "return not X.strip()")),
    Operation("first_word_of_X, X_first_word", "return the first word of the X|with which word does the X begin?", "str", ("return X.split()[0]",)),
)  # fmt: skip
SHARED: Operations = (
    Operation("A_per_B, divide_A, A_for_each_B", "how many A does each of the B get?|divide the A among the B, whole ones only|return how many whole A there are for each of the B", "int", ("return A // B",)),
    Operation("leftover_A, remaining_A, A_left_over", "how many A are left over when all B get the same?|return the A that remain after dividing them among the B|the remainder of A by B.", "int", ("return A % B",)),
    Operation("can_split_A, A_divide_evenly, can_share_A, evenly_split_A, splits_A", "can the A be divided among the B with none left?|return True if A is divisible by B|do the A fit the B without a remainder?|is it possible to give all B the same number of A?|check whether the B can divide the A without a rest", "bool", ("return A % B == 0",)),
    Operation("A_and_B, total_A_and_B, add_A_and_B", "how many A and B are there together?|return the sum of A and B", "int", ("return A + B",)),
    Operation("A_minus_B, more_A_than_B, difference_A_B", "how many more A than B are there?|return the difference of A and B", "int", ("return A - B",)),
    Operation("A_times_B, all_A_in_B, total_A", "how many A are there in all if each of the B has that many?|return A times B|the product of A and B.", "int", ("return A * B",)),
)  # fmt: skip
GEOMETRY: Operations = (
    Operation("diagonal_A_B, diagonal, hypotenuse, direct_distance", "return the length of the diagonal for A and B|how long is the longest side of a right triangle with A and B?|how far is it in a straight line, A one way and B the other?|the long side of a right triangle whose short sides are A and B.", "float", ("return (A ** 2 + B ** 2) ** 0.5", "return math.sqrt(A ** 2 + B ** 2)", "return (A * A + B * B) ** 0.5", "return math.hypot(A, B)")),
    Operation("area_A_B, area, rectangle_area, surface", "return the area for A and B|how large is the area?|A times B is the area: return it.", "float", ("return A * B",)),
    Operation("perimeter, rectangle_perimeter, fence_length", "return the perimeter for A and B|how long is the way around?|how much fence goes around a field of A by B?", "float", ("return 2 * (A + B)",)),
    Operation("triangle_area, half_area, triangle_surface", "return the area of the triangle of A and B|half of A times B.", "float", ("return A * B / 2", "return 0.5 * A * B")),
)  # fmt: skip
NUMBER_CASES = ("[3, 9, 2, 9]", "[12, 5, 20, 7, 4, 4]", "[-3, 8, 1]")
TEXT_CASES = ('["rose", "Ivy", "oak", "rose"]', '["b", "lily", "ash"]')
SINGLE_CASES = ('"level"', '"hello big world"', '"Summer rain"')
PAIR_CASES = ("12, 4", "13, 4", "7, 2")


def everyday_tasks() -> list[Task]:
    """Every operation with every noun that it fits, as ordinary tasks."""
    tasks = []
    for nouns, operations, kind, cases in (
        (NUMBER_NOUNS, NUMBERS + ANY, "list[int]", NUMBER_CASES),
        (TEXT_NOUNS, TEXTS + ANY, "list[str]", TEXT_CASES),
    ):
        for noun in nouns:
            many, one = noun.split("/")
            words = {"XS": many, "ONE": one, "X": many}
            tasks += [_task(operation, words, (many,), (kind,), cases) for operation in operations]
    for one in SINGLE_NOUNS:
        tasks += [_task(operation, {"X": one}, (one,), ("str",), SINGLE_CASES) for operation in SINGLES]
    for pairs, operations, kind in ((PAIRS, SHARED, "int"), (SIDES, GEOMETRY, "float")):
        for pair in pairs:
            a, b = pair.split()
            tasks += [_task(operation, {"A": a, "B": b}, (a, b), (kind, kind), PAIR_CASES) for operation in operations]
    return tasks


def _task(
    operation: Operation, words: dict[str, str], params: tuple[str, ...], types: tuple[str, ...], cases: tuple[str, ...]
) -> Task:
    def fill(text: str, spoken: bool = False) -> str:
        for sign, word in words.items():  # XS before X
            text = text.replace(sign, word.replace("_", " ") if spoken and sign in ("XS", "ONE") else word)
        return text

    imports = ("import math",) if any("math." in solution for solution in operation.solutions) else ()
    return Task(
        key=f"everyday {operation.names.partition(',')[0]} {' '.join(params)}",
        names=tuple(fill(name) for name in operation.names.split(", ")),
        params=(params,),
        types=types,
        returns=operation.returns,
        imports=imports,
        wordings=tuple(fill(wording, spoken=True) for wording in operation.wordings.split("|")),
        stories=(),
        cases=cases,
        solutions=tuple(fill(solution) for solution in operation.solutions),
        weight=WEIGHT,
    )
