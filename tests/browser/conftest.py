"""A real Chromium and real servers; a page fails its test when console or content policy complain."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from server.inference.values import Task
from tests.kit.bundle_kit import write_bundle
from tests.kit.serve_kit import bundles_of_all_tasks, served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 10_000


@pytest.fixture(scope="session")
def executable():
    if CHROMIUM is None:
        pytest.skip("no Chromium here; apt-get install chromium")
    return CHROMIUM


# A module's, not the session's: while the driver runs, its event loop keeps asyncio.run from other tests.
@pytest.fixture(scope="module")
def chromium(executable):
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=FLAGS, timeout=3 * PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """A bundle a task, and a second one that classifies."""
    folder = bundles_of_all_tasks(tmp_path_factory.mktemp("bundles"))
    write_bundle(folder / "second", Task.CLASSIFY, title="The second")
    return folder


@pytest.fixture(scope="session")
def site(executable, bundles, tmp_path_factory):
    """The address of a server with all of them."""
    with served(bundles, tmp_path_factory.mktemp("log") / "log", "--threads", "1") as server:
        yield server.url


class Complaints(list[str]):
    """What the browser complained of; `refusals` are the failed requests that a test asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[int] = []

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda said: self.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("requestfailed", lambda lost: self.append(f"{lost.url}: {lost.failure}"))

    def unexpected(self) -> list[str]:
        expected = [f"status of {status}" for status in self.refusals]
        return [line for line in self if "ERR_ABORTED" not in line and not any(e in line for e in expected)]


@pytest.fixture
def complaints():
    found = Complaints()
    yield found
    assert found.unexpected() == []


@pytest.fixture
def visit(chromium: Browser, site: str, complaints: Complaints):
    """Opens the page on a task, in a fresh browser profile: `visit("ner", width=360, dark=True)`."""
    contexts: list[BrowserContext] = []

    def opened(
        task: str = "", *, width: int = 1280, dark: bool = False, base: str = site, locked: bool = False
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        complaints.watch(page)
        page.goto(f"{base}/#{task}")
        expect(page.locator("#key-form" if locked else "#timing")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def write():
    """Fills the fields as a person does, and waits until the answer to just that is shown."""

    def written(page: Page, first: str, second: str | None = None) -> None:
        wanted = {first, second} - {None}
        with page.expect_response(lambda got: wanted <= set((got.request.post_data_json or {}).values())):
            page.locator("#first").fill(first)
            if second is not None:
                page.locator("#second").fill(second)
        expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")

    return written
