"""A real browser: Chromium, driven by Playwright, with every complaint and every request written down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from raise_agent.attributes import penguin_table
from raise_agent.data import write_jsonl
from raise_agent.scenario import Profile, Scenario
from tests.experiments.reporting.made import RUN, command
from tests.models.served.stand_in import StandIn, running

PATIENCE = 120_000.0
"""Milliseconds, far more than a page takes unless the machine is busy."""
HOSTILE = (
    "</script><script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 2'>",
    "\u202eright to left override\u202c and \u05e9\u05dc\u05d5\u05dd \u0627\u0644\u0633\u0644\u0627\u0645",
    "]]>--><svg onload=window.hurt=3>\u2028{{constructor}} ${7*7} &lt;b&gt;",
    "\U0001f9ea" + "\u0301" * 40 + "wide" * 400,
)


@dataclass
class Opened:
    """A page, and what happened on it."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture(scope="session")
def chromium(simulated: Path, hostile: Path) -> Iterator[Browser]:
    """The browser that RAISE_CHROMIUM names, or that is on the path.

    Once it runs, its event loop is that of the thread, so that all runs are made before.
    """
    found = os.environ.get("RAISE_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.fail("no Chromium: install it, or name it in RAISE_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens a file and waits until it is ready; afterwards nothing may have been complained of or asked for."""
    opened: list[tuple[Opened, Path]] = []

    def call(file: Path, width: int = 1200, scheme: str = "light") -> Opened:
        settings: Any = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
        page = chromium.new_context(**settings).new_page()
        page.set_default_timeout(PATIENCE)
        made = Opened(page)
        page.on("console", lambda message: made.complaints.append(message.text))
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.on("request", lambda request: made.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready]")
        opened.append((made, file))
        return made

    yield call
    for made, file in opened:
        assert made.complaints == []
        assert made.requests == [file.as_uri()]
        made.page.context.close()


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small run."""
    place = tmp_path_factory.mktemp("simulated")
    command(place, "run", "data.n=70", "encoder=hashing", "evaluate.decline=0.2", "hydra.run.dir=r", *RUN)
    return place / "r" / "report.html"


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an evaluation of a served model, on scenarios that are an attack each."""
    place, table = tmp_path_factory.mktemp("hostile"), penguin_table()
    scenarios = []
    for number in range(40):
        text = HOSTILE[number % len(HOSTILE)]
        values = tuple(text if index < 3 else None for index in range(len(table)))
        scenarios.append(Scenario(f"{number} {text}", text, f"{number} {text}", Profile(table.keys, values)))
    write_jsonl(place / "hostile.jsonl", scenarios)
    with running(StandIn()) as server:
        where = ("llm=vllm", f"llm.base_url={server.base_url}", "data=files", "data.path=hostile.jsonl")
        methods = "evaluate.methods=[none,random,{odd: {policy: random, abstention: budget, questions: 1}},full]"
        split = ("data.split.train=0.2", "data.split.validation=0", "data.split.test=0.8")
        command(place, "evaluate", *where, *split, methods, "budget=2", "hydra.run.dir=r")
    for file in ("results.json", "conversations.jsonl"):
        text = (place / "r" / file).read_text()
        (place / "r" / file).write_text(text.replace('"odd"', '"<b>odd</b>"'))
    command(place, "report", "r")
    return place / "r" / "report.html"
