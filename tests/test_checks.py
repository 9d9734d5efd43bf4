"""Checks run in the visitor's browser: what they say, and what generated code cannot do there."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from browser import new_page
from fake_engine import wait_until
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from web import Headers, running

from codegen_ui.ui.assets import add_assets

pytestmark = pytest.mark.browser

SEARCH = """def binary_search(nums: list[int], target: int) -> int:
    low, high = 0, len(nums) - 1
    while low <= high:
        middle = (low + high) // 2
        if nums[middle] == target:
            return middle
        if nums[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1
"""
RUN = "async ([program, checks]) => (await (await import('/own/checks.js')).run(program, checks)).checks"
WORDS = """async ([program, checks]) => {
  const { run, words } = await import('/own/checks.js');
  return (await run(program, checks)).checks.map(words);
}"""


ASKED: list[str] = []
"""Every path that our own server was asked for."""


class Listener(BaseHTTPRequestHandler):
    """Another host, which notes who asks it for anything."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    app = FastAPI()
    app.add_middleware(Headers)

    @app.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        ASKED.append(request.url.path)
        return await call_next(request)

    add_assets(app)

    @app.get("/", response_class=HTMLResponse)
    async def page() -> str:
        return "<!doctype html><title>untouched</title><p id=secret>a secret</p>"

    with running(app) as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """One for all tests: whatever a program does, the next one is to find nothing of it."""
    with new_page(browser) as page:
        page.goto(address)
        page.evaluate(RUN, ["", ["1 == 1"]])
        yield page


@pytest.fixture
def fresh(browser: Any, address: str) -> Iterator[Any]:
    """A page on which nothing was checked yet."""
    with new_page(browser) as page:
        page.goto(address)
        yield page


@pytest.fixture
def check(page: Any) -> Callable[..., list[str]]:
    def run(program: str, *checks: str) -> list[str]:
        said: list[str] = page.evaluate(WORDS, [program, list(checks)])
        return said

    return run


# --- what the checks say


def test_a_check_passes_or_says_what_the_function_gave(check: Callable[..., list[str]]) -> None:
    assert check(
        SEARCH,
        "binary_search([1, 3, 5], 5) == 2",
        "binary_search([1, 3, 5], 5) == 1",
        "binary_search([], 1) < 0",
        "binary_search([1], 1)",
    ) == ["passed", "failed: gave 2", "passed", "failed: gave 0"]


def test_statements_before_the_expression_prepare_it(check: Callable[..., list[str]]) -> None:
    program = "class Stack(list):\n    def push(self, item):\n        self.append(item)\n"
    assert check(program, "s = Stack(); s.push('a;b'); s.pop() == 'a;b'", "len(s) == 0") == ["passed", "passed"]


def test_an_error_has_its_type_and_the_line_of_the_program(check: Callable[..., list[str]]) -> None:
    program = "def f(x):\n    if x:\n        return x.nothing\n    return 1 / x\n"
    assert check(program, "f(0) == 1", "f(3) == 1", "g() == 1", "f(") == [
        "error: ZeroDivisionError, line 4: division by zero",
        "error: AttributeError, line 3: 'int' object has no attribute 'nothing'",
        "error: NameError: name 'g' is not defined",
        "error: SyntaxError: '(' was never closed",
    ]


def test_a_program_that_does_not_parse_fails_every_check_with_its_line(check: Callable[..., list[str]]) -> None:
    first, second = check("def f():\n    return (1\n\n\ndef", "f() == 1", "f() == 2")
    assert first == second
    assert first.startswith("error: SyntaxError, line ")


def test_a_module_that_brython_lacks_is_not_held_against_the_completion(page: Any) -> None:
    program = "import numpy as np\n\n\ndef f(x):\n    return np.mean(x)\n"
    results = page.evaluate(RUN, [program, ["f([1]) == 1"]])
    assert [result["state"] for result in results] == ["unavailable"], results
    assert "numpy" in results[0]["text"]


def test_an_endless_loop_is_out_of_time_and_its_worker_ends(page: Any, check: Callable[..., list[str]]) -> None:
    program = "def f(x):\n    while x:\n        pass\n    return 1\n"
    assert check(program, "f(0) == 1", "f(1) == 1", "f(0) == 1") == ["passed", "out of time (2 s)", "not run"]
    wait_until(lambda: bool(page.wait_for_timeout(20)) or not page.workers, 5)


def test_the_usual_modules_can_be_imported(check: Callable[..., list[str]]) -> None:
    program = (
        "from dataclasses import dataclass\nimport re\nfrom collections import Counter\nimport functools\n"
        "from typing import List\n\n\n"
        "@dataclass\nclass Point:\n    x: int\n\n\n@functools.lru_cache\ndef words(text):\n"
        "    return Counter(re.findall(r'\\w+', text))\n"
    )
    assert check(program, "Point(3).x == 3", "words('a b a')['a'] == 2") == ["passed", "passed"]


def test_a_value_is_text_of_bounded_length_and_its_repr_may_fail(check: Callable[..., list[str]]) -> None:
    program = "class Bad:\n    def __repr__(self):\n        raise ValueError\n\n\ndef f():\n    return '<b>' * 1000\n"
    long, bad = check(program, "f() == ''", "Bad() == 1")
    assert len(long) < 250
    assert long.startswith("failed: gave '<b><b>")
    assert bad == "failed: gave a value whose repr raises ValueError"


def test_completions_run_apart_from_each_other(check: Callable[..., list[str]]) -> None:
    assert check("import builtins\nbuiltins.left = 7\n", "left == 7") == ["passed"]
    assert check("def f():\n    return left\n", "f() == 7", "left") == [
        "error: NameError, line 2: name 'left' is not defined",
        "error: NameError: name 'left' is not defined",
    ]


def test_a_program_that_breaks_brython_itself_has_failed(check: Callable[..., list[str]]) -> None:
    (said,) = check("import builtins\nbuiltins.len = lambda x: len(x)\n", "1 == 2")
    assert said.startswith(("error: ", "failed: "))


def test_many_completions_may_be_given_at_once(page: Any) -> None:
    states = page.evaluate(
        """async (program) => {
            const { run, warm, rest, verdict } = await import('/own/checks.js');
            await warm(program);
            const all = await Promise.all([...Array(6).keys()].map((n) =>
                run(program, [`binary_search([1, 3, 5], 5) == ${n % 3}`])));
            await rest();
            return all.map(verdict);
        }""",
        SEARCH,
    )
    assert states == ["failed", "failed", "passed"] * 2
    wait_until(lambda: bool(page.wait_for_timeout(20)) or not page.workers, 5)


def test_a_program_without_checks_is_still_known_not_to_parse(page: Any) -> None:
    verdicts = page.evaluate(
        """async (programs) => {
            const { run, verdict, score } = await import('/own/checks.js');
            return Promise.all(programs.map(async (program) => verdict(await run(program, []))));
        }""",
        ["def f(:\n", "def f():\n    return 1\n"],
    )
    assert verdicts == ["unparsed", "none"]


# --- pass@k


def test_pass_at_k_is_the_share_of_all_choices_of_k_samples_in_which_one_passed(page: Any) -> None:
    cases = [(n, c, k) for n in (1, 2, 5, 16) for c in range(n + 1) for k in range(1, n + 1)]
    estimates = page.evaluate(
        "async (cases) => { const m = await import('/own/checks.js'); return cases.map((c) => m.passAtK(...c)); }",
        cases,
    )
    for (n, c, k), estimate in zip(cases, estimates, strict=True):
        samples = [index < c for index in range(n)]
        choices = list(itertools.combinations(samples, k))
        assert estimate == pytest.approx(sum(map(any, choices)) / len(choices), abs=1e-12)


# --- what generated code cannot do


def test_generated_code_cannot_reach_the_page(page: Any, check: Callable[..., list[str]]) -> None:
    program = """
from browser import self as window


def reach(path):
    found = window
    for name in path.split("."):
        found = getattr(found, name)
    return found


def attempt(path):
    try:
        return str(reach(path))
    except BaseException as error:
        return type(error).__name__
"""
    page.evaluate("localStorage.setItem('mine', 'a secret')")
    page.evaluate("document.cookie = 'mine=a-secret'")
    paths = ("parent.document", "document.cookie", "document.title", "localStorage.mine", "top.document", "opener")
    said = check(program, *(f"attempt({path!r}) == 'reached'" for path in paths))
    assert len(said) == len(paths)
    assert not any("secret" in text or "untouched" in text for text in said)
    assert all("gave 'AttributeError'" in text or "gave '<undefined" in text or "None" in text for text in said), said
    assert check(program, "attempt('origin') == 'null'") == ["passed"]
    assert page.title() == "untouched"


@pytest.mark.parametrize(
    "attempt",
    [
        "window.fetch(ADDRESS + '/fetch')",
        "r = window.XMLHttpRequest.new(); r.open('GET', ADDRESS + '/xhr', False); r.send()",
        "window.importScripts(ADDRESS + '/script.js')",
        "window.WebSocket.new(ADDRESS.replace('http', 'ws') + '/socket')",
        "window.EventSource.new(ADDRESS + '/events')",
        "window.Worker.new(ADDRESS + '/worker.js')",
        "window.eval('import(\"' + ADDRESS + '/module.js\")')",
        "open(ADDRESS + '/file')",
        "from browser import ajax; ajax.get(ADDRESS + '/ajax', blocking=True)",
        "import urllib.request; urllib.request.urlopen(ADDRESS + '/urllib')",
    ],
)
@pytest.mark.parametrize("where", ["another host", "our own"])
def test_generated_code_cannot_fetch(page: Any, address: str, elsewhere: str, attempt: str, where: str) -> None:
    Listener.asked.clear()
    ASKED.clear()
    target = elsewhere if where == "another host" else address
    program = f"from browser import self as window\nADDRESS = {target!r}\n"
    program += f"try:\n    {attempt}\nexcept BaseException:\n    pass\n"
    results = page.evaluate(RUN, [program, ["1 == 1"]])
    page.wait_for_timeout(150)  # for what must not come
    assert [result["state"] for result in results] == ["passed"], results
    assert Listener.asked == []
    assert ASKED == []


def test_generated_code_cannot_keep_a_worker_alive(page: Any, check: Callable[..., list[str]]) -> None:
    program = """
from browser import self as window
window.eval(\"\"\"
  setInterval(() => {}, 5);
  onmessage = () => {};
  const code = URL.createObjectURL(new Blob(['setInterval(() => {}, 5)']));
  try { new Worker(code); } catch (_) {}
  (function again() { Promise.resolve().then(() => setTimeout(again, 0)); })();
\"\"\")
"""
    assert check(program, "1 == 1") == ["passed"]
    wait_until(lambda: bool(page.wait_for_timeout(20)) or not page.workers, 5)
    assert check(SEARCH, "binary_search([1], 1) == 0") == ["passed"]


def test_generated_code_cannot_pose_as_its_own_judge(check: Callable[..., list[str]]) -> None:
    program = """
from browser import self as window
window.eval(\"\"\"
  for (const index of [-1, 0, 1]) postMessage({ step: [index, 'passed', ''] });
  postMessage({ end: true });
  MessagePort.prototype.postMessage = function () {};
\"\"\")
"""
    assert check(program, "1 == 2", "2 == 3") == ["failed: gave 1", "failed: gave 2"]


def test_the_frame_has_no_origin_even_when_opened_by_itself(fresh: Any, address: str) -> None:
    fresh.goto(f"{address}/own/sandbox.html")
    assert fresh.evaluate("self.origin") == "null"


def test_what_the_checks_need_is_compressed_and_not_sent_twice(fresh: Any, address: str) -> None:
    answers: list[Any] = []
    fresh.on("response", lambda answer: answers.append(answer))
    fresh.evaluate(RUN, ["", ["1 == 1"]])
    first = {answer.url.rsplit("/", 1)[1]: answer for answer in answers if "/own/" in answer.url}
    assert set(first) == {
        "checks.js",
        "brython.js",
        "brython_stdlib.js",
        "sandbox_worker.js",
        "check_runner.py",
        "sandbox.html",
    }
    assert first["brython_stdlib.js"].headers["content-encoding"] == "gzip"
    assert int(first["brython_stdlib.js"].headers["content-length"]) < 1_300_000
    tag = first["brython.js"].headers["etag"]
    again = fresh.request.get(f"{address}/own/brython.js", headers={"If-None-Match": tag})
    assert again.status == 304
    assert fresh.request.get(f"{address}/own/page.py").status == 404
