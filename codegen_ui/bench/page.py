"""`page`: how soon the page is seen and can be used, and a click answered, beside the page of another checkout."""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Mapping
from contextlib import ExitStack

from playwright.sync_api import Browser, sync_playwright

from codegen_ui.bench.app_process import ROOT, AppProcess
from codegen_ui.bench.report import Report, say
from codegen_ui.bench.rounds import spread

WHATS = ("first paint", "usable", "click answered")
Times = tuple[float, float, float]
"""Milliseconds: until something is seen, until there is a button to press, from pressing it to another state shown."""
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
USABLE = "#cg-generate"
CLICK = """() => new Promise((answered) => {
  const state = document.querySelector(".cg-state"), begin = performance.now();
  const seen = () => { observer.disconnect(); requestAnimationFrame(() => answered(performance.now() - begin)); };
  const observer = new MutationObserver(seen);
  observer.observe(state, { childList: true, characterData: true, subtree: true });
  document.querySelector("button#cg-generate, #cg-generate button").click();
})"""
"""Milliseconds from a click on Generate to the frame that shows another state."""
LATENCY_MS = (0, 40)
"""Of the network between browser and server, both ways together: this machine's own, and that of a town away."""


def run(options: argparse.Namespace, report: Report) -> None:
    roots = {"this checkout": ROOT} | ({"the other": options.against.resolve()} if options.against else {})
    with ExitStack() as stack:
        browser = stack.enter_context(sync_playwright()).chromium.launch(executable_path=chromium(), args=FLAGS)
        stack.callback(browser.close)
        urls = {
            name: stack.enter_context(AppProcess("--model", "bundled", root=root)).url for name, root in roots.items()
        }
        for latency in LATENCY_MS:
            compare(report, latency, visits(browser, urls, latency, options.rounds))


def visits(browser: Browser, urls: Mapping[str, str], latency: int, rounds: int) -> dict[str, list[Times]]:
    """The pages in turn, once to warm up and then `rounds` times."""
    found: dict[str, list[Times]] = {name: [] for name in urls}
    for number in range(-1, rounds):
        for name, url in urls.items():
            times = visit(browser, url, latency)
            say(f"{name}, {latency} ms away, round {number + 1}: " + ", ".join(f"{one:.0f}" for one in times))
            if number >= 0:
                found[name].append(times)
    return found


def compare(report: Report, latency: int, found: Mapping[str, list[Times]]) -> None:
    """A table of what was found at one distance, and the ratios where there is another page."""
    columns = {name: list(zip(*times, strict=True)) for name, times in found.items()}
    rows = [
        [what, *(f"{statistics.median(column[at]):.0f} ({spread(list(column[at]))})" for column in columns.values())]
        for at, what in enumerate(WHATS)
    ]
    report.table(f"Milliseconds, a new visitor, {latency} ms away", ["", *columns], rows)
    for at, what in enumerate(WHATS):
        middle = [statistics.median(column[at]) for column in columns.values()]
        report.figures[f"{what}, {latency} ms away, milliseconds"] = dict(zip(columns, middle, strict=True))
        if len(middle) > 1:
            report.ratios[f"page_{what.replace(' ', '_')}_{latency}_ms_away"] = middle[0] / middle[1]


def visit(browser: Browser, url: str, latency: int) -> Times:
    """Open the page as somebody who has never been there, and press Generate once it is quiet: see `WHATS`."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    if latency:
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        network = {"offline": False, "latency": latency, "downloadThroughput": -1, "uploadThroughput": -1}
        session.send("Network.emulateNetworkConditions", network)
    begin = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector(USABLE)
    usable = time.perf_counter() - begin
    page.wait_for_function("document.querySelector('.cg-state')?.textContent === 'ready'")
    page.wait_for_timeout(500)
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    answered = page.evaluate(CLICK)
    context.close()
    return float(painted), usable * 1000, float(answered)


def chromium() -> str:
    """The system's browser. Raises `RuntimeError` where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    raise RuntimeError("no Chromium or Chrome is installed on this machine")
