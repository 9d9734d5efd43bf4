"""What others write reaches the page, the CSV and the log as the text that it is: markup, formulas, control codes."""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_engine import FakeEngine, FakeGeneration, serve
from visit import set_number, until
from web import page_app, running

from codegen_ui.announce import Announcer, say
from codegen_ui.errors import GenerationFailed, ModelUnavailable
from codegen_ui.escaping import LineFormatter, one_line, spreadsheet_safe
from codegen_ui.gallery import load_gallery
from codegen_ui.metrics import GenerationMetrics
from codegen_ui.post import PRINTED, PostRun, to_csv
from codegen_ui.request import FinishReason, GenerationRequest
from codegen_ui.service import Loaded, Service
from codegen_ui.status import ModelStatus, Phase

MARKUP = '"><img src=x onerror="window.hit=1"></textarea><script>window.hit=1</script>{{hit}}${hit}'
CODES = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202eback"
LINES = "one\r\n2026-01-01 00:00:00 INFO forged=1\u2028two"
FORMULA = "=cmd|' /C calc'!A0"
HURT = """() => [window.hit, document.querySelectorAll('[onerror], [src="x"]').length,
  [...document.scripts].filter((one) => one.text.startsWith("window.hit")).length]"""
SOUND = [None, 0, 0]
PACK = "async (run) => (await import('/own/link.js')).pack(run)"
READ = ("/", "/nothing/{}", "/v1/models/{}", "/own/{}", "/?deep_link={}", "/?{}={}", "/docs?{}")


class HostileEngine(FakeEngine):
    """Everything that it says is meant to be taken for something else."""

    def __init__(self) -> None:
        super().__init__((f"    {MARKUP}\n", f"    # {CODES}\n"), context=2048)
        named = FORMULA + MARKUP + CODES
        self.info = replace(self.info, name=named, architecture=MARKUP, device_name=MARKUP, dtype=MARKUP)

    def submit(self, request: GenerationRequest) -> FakeGeneration:
        if "fail" in str(request.prompt):
            raise GenerationFailed(MARKUP + CODES + LINES)
        return super().submit(request)


def example(folder: Path) -> None:
    """A file whose every field is hostile, as far as a field may be."""
    fields = {"title": MARKUP[:60], "description": MARKUP + FORMULA, "group": MARKUP[:40]}
    lines = [f"{name} = '''{text}'''" for name, text in fields.items()]
    (folder / "hostile.toml").write_text(
        "\n".join([*lines, f"prompt = '''\n{FORMULA}\n# {MARKUP}\n'''", f"checks = ['''{MARKUP}''']"]) + "\n",
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("examples")
    example(folder)
    examples = load_gallery(folder)
    assert len(examples) == 1
    names = [f"first {MARKUP}", f"{FORMULA} {MARKUP}"]

    def load(name: str, progress: object) -> Loaded:
        if name == names[1]:
            raise ModelUnavailable(name, MARKUP + CODES)
        return Loaded(HostileEngine(), notice=MARKUP)

    service = Service(names, load)
    service.start()
    with running(page_app(service, examples)) as found:
        yield found


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_context(accept_downloads=True).new_page()
    page.goto(address)
    until(page, "document.querySelector('#cg-head .cg-notice')?.hidden === false")
    yield page
    page.context.close()


@pytest.mark.browser
class TestPage:
    @pytest.fixture(autouse=True)
    def _unhurt(self, page: Any) -> Iterator[None]:
        yield
        assert page.evaluate(HURT) == SOUND

    def test_model_names_and_notices_are_text(self, page: Any) -> None:
        assert page.text_content("#cg-head .cg-notice [data-f=notice]") == MARKUP
        assert FORMULA + MARKUP in page.text_content("#cg-head [data-f=line]")
        assert MARKUP in page.text_content("#cg-head [data-f=facts]")
        page.click("#cg-picker input")
        assert page.locator("[role=option]").nth(1).text_content().strip().endswith(MARKUP)
        page.keyboard.press("Escape")

    def test_every_field_of_an_example_and_what_comes_of_it_is_text(self, page: Any) -> None:
        chip = page.locator("#cg-gallery .cg-chip").first
        assert chip.locator("b").text_content() == MARKUP[:60]
        assert chip.locator("small").text_content() == MARKUP + FORMULA
        assert MARKUP[:40] in page.locator("#cg-gallery h2").all_text_contents()
        chip.click()
        until(page, "document.querySelector('.cg-state').textContent === 'done'")
        assert f"{FORMULA}\n# {MARKUP}\n    {MARKUP}" in page.evaluate("codegenUI.outputText()")
        assert MARKUP in page.input_value("#cg-checks textarea")
        until(page, "document.querySelector('#cg-runs tbody tr') !== null")
        assert FORMULA + MARKUP in page.locator("#cg-runs tbody td").last.text_content()

    def test_the_csv_has_texts_where_a_spreadsheet_would_find_formulas(self, page: Any) -> None:
        with page.expect_download() as download:
            page.click("#cg-runs [data-act=csv]")
        (row,) = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8")))
        assert row["model"] == "'" + FORMULA + MARKUP + CODES
        assert row["prompt"].startswith("'" + FORMULA)
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "@"))]

    def test_a_refused_value_and_a_fault_are_told_as_text(self, page: Any) -> None:
        page.fill("#cg-seed input, #cg-seed textarea", MARKUP)
        page.click("#cg-generate")
        until(page, "document.querySelector('.cg-field-error') !== null")
        assert "<img src=x" in page.text_content(".cg-field-error")
        page.fill("#cg-seed input, #cg-seed textarea", "")
        page.fill("#cg-prompt textarea", "fail\n")
        set_number(page, "cg-max-length", 200)
        page.click("#cg-generate")
        until(page, "document.querySelector('#cg-live .cg-note').textContent.includes('onerror')")
        assert MARKUP in page.text_content("#cg-live .cg-note")

    def test_why_a_model_cannot_be_had_is_told_as_text(self, page: Any) -> None:
        page.click("#cg-picker input")
        page.locator("[role=option]").nth(1).click()
        until(page, "document.querySelector('#cg-head [data-tone]')?.dataset.tone === 'failed'")
        assert MARKUP in page.text_content("#cg-head .cg-notice [data-f=notice]")


PARAMETERS = ("?__theme={0}&view={0}&__lang={0}&session_hash={0}&{0}", "#run={0}", "?deep_link={0}", "#{0}", "{0}")
"""No two after each other that differ in nothing but the fragment: the page would not be loaded anew."""
SHOWN = "document.querySelector('#cg-live [data-tone]') || !document.querySelector('gradio-app')"
NO_IMAGE = "new Promise((failed) => Object.assign(new Image(), { onerror: failed, src: '/none' }))"
"""An image made now has failed: one that the address had made would have long before."""


@pytest.mark.browser
def test_parameters_of_an_address_are_never_more_than_text(address: str, page: Any) -> None:
    other = page.context.new_page()
    for parameter in PARAMETERS:
        other.goto(f"{address}/{parameter.format(MARKUP)}")
        until(other, SHOWN)
        other.evaluate(NO_IMAGE)
        assert other.evaluate(HURT) == SOUND, parameter
    other.close()


@pytest.mark.browser
def test_what_a_link_holds_is_text(address: str, page: Any) -> None:
    run = {"prompt": f"# {MARKUP}\n", "settings": {"stop": [MARKUP]}, "checks": [MARKUP], "dtype": MARKUP}
    packed = page.evaluate(PACK, run)
    other = page.context.new_page()
    other.goto(f"{address}/{packed}")
    until(other, "document.querySelector('#cg-link .cg-note')?.textContent.includes('dtype was')")
    assert other.input_value("#cg-prompt textarea") == f"# {MARKUP}\n"
    assert other.evaluate(HURT) == SOUND
    other.goto("about:blank")
    refused = page.evaluate(PACK, {**run, "settings": {MARKUP: 1}})
    other.goto(f"{address}/{refused}")
    until(other, "document.querySelector('#cg-link .cg-note')?.textContent.includes('cannot be used')")
    assert other.evaluate(HURT) == SOUND
    other.close()


@pytest.mark.parametrize("path", READ)
def test_no_answer_repeats_markup_as_a_document(address: str, path: str) -> None:
    answer = httpx.get(address + path.format(MARKUP, MARKUP), timeout=30)
    assert answer.headers["x-content-type-options"] == "nosniff"
    if "html" in answer.headers["content-type"]:
        assert "<img src=x" not in answer.text
        assert "<script>window.hit" not in answer.text


class TestLog:
    """Each record begins with its level here, so that what forges one is seen."""

    @pytest.fixture
    def lines(self) -> Iterator[list[str]]:
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.setFormatter(LineFormatter("%(levelname)s %(message)s"))
        logger = logging.getLogger("codegen_ui")
        logger.addHandler(handler)
        level = logger.level
        logger.setLevel(logging.INFO)
        found: list[str] = []
        yield found
        logger.removeHandler(handler)
        logger.setLevel(level)
        found += out.getvalue().splitlines()
        text = out.getvalue()
        assert found
        assert text.isascii() or text.replace("\n", "").isprintable()
        assert all(line.startswith(("INFO ", "WARNING ", "ERROR ", "  ")) for line in found)

    @pytest.mark.skipif(sys.platform == "win32", reason="file names there have no control characters")
    def test_names_and_contents_of_example_files(self, lines: list[str], tmp_path: Path) -> None:
        (tmp_path / f"{CODES}\nforged.toml").write_text(f"title = '''{MARKUP}'''\nx = 1", encoding="utf-8")
        (tmp_path / "b.toml").write_text(f'"{MARKUP[2:20]}\\u001b[31m" = 1', encoding="utf-8")
        assert load_gallery(tmp_path) == ()

    def test_faults_and_what_they_carry(self, lines: list[str]) -> None:
        def load(name: str, progress: object) -> Loaded:
            raise OSError(CODES + LINES)

        service = Service([f"m {CODES}\nforged"], load)
        service.start()
        while service.status().phase is not Phase.FAILED:
            pass

    def test_an_engines_reason(self, lines: list[str]) -> None:
        engine = FakeEngine()
        service = serve(engine, CODES + LINES)
        engine.fail(CODES + LINES)
        service.close()


def test_the_terminal_gets_lines_without_control_codes(capsys: pytest.CaptureFixture[str]) -> None:
    Announcer("http://x", say)(ModelStatus(CODES, Phase.FAILED, message=LINES))
    said = capsys.readouterr().out
    assert said.count("\n") == 2
    assert said.replace("\n", "").isprintable()
    assert "\\x1b[31mred" in said


def test_a_line_keeps_what_is_no_control_code() -> None:
    assert one_line("naïve 日本 💥 'x' \\n") == "naïve 日本 💥 'x' \\n"


@pytest.mark.parametrize("text", [FORMULA, "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_cell_is_no_formula(text: str) -> None:
    assert spreadsheet_safe(text) == "'" + text


def test_the_posts_csv_is_no_formula_either() -> None:
    run = PostRun(FORMULA, PRINTED[0], GenerationMetrics(), FinishReason.EOS)
    (row,) = csv.DictReader(io.StringIO(to_csv([run], replace(FakeEngine().info, name=FORMULA))))
    assert (row["prompt"], row["model"]) == ("'" + FORMULA, "'" + FORMULA)
