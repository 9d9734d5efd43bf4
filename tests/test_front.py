"""The page's first answer: something to see at once, what its scripts need named, few bytes, nobody else's address."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from fake_engine import FakeEngine, serve, wait_until
from starlette.testclient import TestClient
from visit import scripted_page, tab
from web import page_app

from codegen_ui.ui.assets import GRADIO, MENDED
from codegen_ui.ui.front import REMEMBERED, preloaded

HOST = {"Host": "127.0.0.1:7860"}

COUNT_FRAMES = """
const ask = requestAnimationFrame;
let asked = 0;
window.requestAnimationFrame = (draw) => { asked += 1; return ask(draw); };
window.asked_while = (frames) => new Promise((done) => {
  const before = asked;
  const next = () => (frames-- ? ask(next) : done(asked - before));
  next();
});
"""
"""Counts how often anybody on the page asks to be called before the next frame, while a number of them are drawn."""


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """What is asked here comes from a proxy that is trusted to say for whom."""
    app = page_app(serve(FakeEngine()), trusted_proxies=("10.0.0.1",))
    with TestClient(app, client=("10.0.0.1", 1)) as client:
        yield client


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with scripted_page(FakeEngine()) as found:
        yield found


def root_of(client: TestClient, **headers: str) -> str:
    """The address that Gradio writes into the page, by which its scripts ask for everything else."""
    page = client.get("/", headers={**HOST, **headers}).text
    return page.partition('"root":"')[2].partition('"')[0]


class TestAnswer:
    def test_it_is_sent_compressed_to_who_can_read_that(self, client: TestClient) -> None:
        packed = client.get("/", headers={**HOST, "Accept-Encoding": "gzip"})
        plain = client.get("/", headers={**HOST, "Accept-Encoding": "identity"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert packed.text == plain.text
        assert int(packed.headers["content-length"]) < len(plain.content) / 4

    def test_who_has_it_already_is_told_so(self, client: TestClient) -> None:
        tag = client.get("/", headers=HOST).headers["etag"]
        again = client.get("/", headers={**HOST, "If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"]

    def test_nobody_is_given_the_address_that_somebody_else_asked_by(self, client: TestClient) -> None:
        assert root_of(client) == "http://127.0.0.1:7860"
        assert root_of(client, **{"X-Forwarded-Host": "box.example"}) == "http://box.example"
        assert root_of(client, **{"X-Forwarded-Proto": "https"}) == "https://127.0.0.1:7860"
        assert root_of(client, Host="localhost:7860") == "http://localhost:7860"
        assert root_of(client) == "http://127.0.0.1:7860"

    def test_names_without_end_are_not_remembered_without_end(self, client: TestClient) -> None:
        for number in range(3 * REMEMBERED):
            assert root_of(client, Host=f"127.0.0.1:{1000 + number}") == f"http://127.0.0.1:{1000 + number}"
        assert root_of(client) == "http://127.0.0.1:7860"

    def test_a_question_is_answered_by_gradio_each_time(self, client: TestClient) -> None:
        assert client.get("/?__theme=dark", headers=HOST).text == client.get("/", headers=HOST).text
        assert client.get("/?deep_link=none", headers=HOST).status_code == 200


class TestFiles:
    def test_gradios_are_as_they_are_but_for_one_fault_and_kept_for_good(self, client: TestClient) -> None:
        for name in preloaded():
            answer = client.get(f"/assets/{name}", headers=HOST)
            whole = (GRADIO / name).read_bytes()
            assert answer.content == (whole.replace(*MENDED[name]) if name in MENDED else whole)
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["content-type"].partition(";")[0] in ("text/javascript", "text/css")

    def test_a_file_that_gradio_has_not_is_not_found(self, client: TestClient) -> None:
        for name in ("none.js", "..%2Findex.html", "%2e%2e"):
            assert client.get(f"/assets/{name}", headers=HOST).status_code == 404

    def test_what_is_compressed_is_the_file(self, client: TestClient) -> None:
        with client.stream("GET", "/own/page.js", headers={**HOST, "Accept-Encoding": "gzip"}) as answer:
            raw = b"".join(answer.iter_raw())
        assert gzip.decompress(raw) == client.get("/own/page.js", headers=HOST).content


@pytest.mark.browser
class TestBrowser:
    def test_the_page_is_told_of_all_that_it_will_ask_for(self, browser: Any, address: str) -> None:
        """Where this fails after an update of Gradio or of a panel: write the names that it lists into the file."""
        with tab(browser, address) as page:
            page.wait_for_load_state("load")
            asked = page.evaluate("performance.getEntriesByType('resource').map((one) => new URL(one.name).pathname)")
            named = page.evaluate("[...document.querySelectorAll('link[crossorigin], script[crossorigin]')]"
                                  ".map((one) => new URL(one.src || one.href).pathname)")  # fmt: skip
        needed = {path for path in asked if path.startswith("/assets/")}
        assert sorted(needed - set(named)) == []
        assert sorted({f"/assets/{name}" for name in preloaded()} - needed) == []

    def test_the_head_is_seen_before_any_script_has_run_and_gives_way_to_the_page(
        self, browser: Any, address: str
    ) -> None:
        held: list[Any] = []
        context = browser.new_context()
        page = context.new_page()
        page.route("**/assets/*.js", lambda route: held.append(route))
        page.goto(address, wait_until="commit")
        page.get_by_text("Loading the page").wait_for()
        assert page.locator("#cg-shell p").inner_text() == "CodeGen Playground"
        while page.locator("#cg-generate").count() == 0:
            for one in held[:]:
                held.remove(one)
                one.continue_()
            page.wait_for_timeout(20)
        page.wait_for_selector("#cg-generate")
        assert page.locator("#cg-shell").is_hidden()
        before, after = page.locator("#cg-shell p"), page.locator("#cg-head h1")
        assert before.text_content() == after.inner_text()
        context.close()

    def test_a_page_at_rest_draws_nothing(self, browser: Any, address: str) -> None:
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(COUNT_FRAMES)
        page.goto(address)
        page.wait_for_selector("#cg-live [data-tone]", state="attached")
        wait_until(lambda: page.evaluate("asked_while(60)") < 20, 20)
        context.close()

    def test_a_browser_without_scripts_is_told_what_it_lacks(self, browser: Any, address: str) -> None:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(address)
        assert "This page is made by scripts" in page.locator("#cg-shell").inner_text()
        context.close()
