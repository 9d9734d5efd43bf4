"""Completions that solve the shipped examples, by title, and one that does not: for proving their checks.

They are known to the tests alone; the page has no copy.
"""

from __future__ import annotations

RIGHT = {
    "3Sum": """    found = set()
    nums = sorted(nums)
    for i in range(len(nums)):
        for j in range(i + 1, len(nums)):
            for k in range(j + 1, len(nums)):
                if nums[i] + nums[j] + nums[k] == 0:
                    found.add((nums[i], nums[j], nums[k]))
    return [list(triplet) for triplet in sorted(found)]
""",
    "Two Sum II": """    low, high = 0, len(numbers) - 1
    while numbers[low] + numbers[high] != target:
        if numbers[low] + numbers[high] < target:
            low += 1
        else:
            high -= 1
    return [low + 1, high + 1]
""",
    "Cross-entropy loss": """    return -np.mean(np.log(probabilities[np.arange(len(labels)), labels]))
""",
    "Binary search": """    low, high = 0, len(nums)
    while low < high:
        middle = (low + high) // 2
        if nums[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low if low < len(nums) and nums[low] == target else -1
""",
    "Docstring to function": """    counts = {}
    for word in text.lower().split():
        counts[word] = counts.get(word, 0) + 1
    return counts
""",
    "Recursion": """    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
""",
    "Continue a class": """        return self.items.pop()
""",
    "Dataclass": """        return self.width * self.height
""",
    "Unit tests": """    assert is_palindrome("")
    assert not is_palindrome("ab")
""",
    "Regular expression": """    return re.findall(r"[\\w.]+@[\\w.]+\\w", text)
""",
    "SQL in a string": '''        ORDER BY name
    """
    return [name for (name,) in connection.execute(query, (min_age,))]
''',
    "NumPy": """    return (x - x.mean()) / x.std()
""",
    "Merge sort": """    if len(values) < 2:
        return list(values)
    middle = len(values) // 2
    left, right = merge_sort(values[:middle]), merge_sort(values[middle:])
    merged = []
    while left and right:
        merged.append(left.pop(0) if left[0] <= right[0] else right.pop(0))
    return merged + left + right
""",
    "Decorator": """        begun = time.perf_counter()
        result = function(*args, **kwargs)
        print(time.perf_counter() - begun)
        return result

    return wrapper
""",
    "Reading a file": """    with open(path) as file:
        return sum(1 for line in file if line.strip())
""",
    "From a comment alone": """def is_prime(n):
    return n > 1 and all(n % divisor for divisor in range(2, int(n**0.5) + 1))
""",
}

WRONG = {
    "Continue a class": "        return self.items[0]\n",
    "Dataclass": "        return self.width + self.height\n",
    "Unit tests": '    assert is_palindrome("ab")\n',
    "SQL in a string": '''        ORDER BY age
    """
    return [name for (name,) in connection.execute(query, (min_age,))]
''',
    "Decorator": "        return function\n\n    return wrapper\n",
    "From a comment alone": "def is_prime(n):\n    return n % 2 == 1\n",
}
"""For the other examples `    return None` is wrong enough."""

NOTHING = "    return None\n"
