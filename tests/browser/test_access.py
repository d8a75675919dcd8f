"""Who can use the page, and how: phone, dark room, keyboard, screen reader, English."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

TASKS = ["classify", "pair", "ner", "qa"]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("task", TASKS)
def test_nothing_scrolls_sideways_on_a_narrow_phone(visit, write, task, language):
    page = visit(task, width=320)
    if language == "en":
        page.locator("#language").click()
    write(page, "https://example.com/" + "a" * 400, "b" * 400 if task in {"pair", "qa"} else None)
    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator(".card, pre").evaluate_all(
        "(all) => all.every((c) => c.scrollWidth <= c.clientWidth)"
    )


def test_dark_mode_has_its_own_colours(visit):
    looks = [
        visit("ner", dark=dark).evaluate(
            """() => {
              const of = (selector) => getComputedStyle(document.querySelector(selector));
              return [of("body").backgroundColor, of("body").color, of(".card").backgroundColor];
            }"""
        )
        for dark in (False, True)
    ]
    assert all(light != dark for light, dark in zip(*looks, strict=True))


def test_the_keyboard_alone_is_enough(visit):
    page = visit("classify")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#first")).to_be_focused()
    assert page.url.endswith("#classify"), "the address goes on naming the task"
    page.keyboard.press("Control+a")
    page.keyboard.type("键盘就够了")
    with page.expect_response("**/v1/classify"):
        page.keyboard.press("Control+Enter")
    page.locator("input[name=task]:checked").focus()
    with page.expect_response("**/v1/pair"):
        page.keyboard.press("ArrowRight")
    expect(page.locator("#second")).to_be_visible()
    assert reached_by_tab(page) >= {"first", "second", "run", "copy", "language", "chip", "/docs"}


def reached_by_tab(page: Page) -> set[str]:
    """What Tab comes by from the top, each with an outline that can be seen."""
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                """() => {
                  const at = document.activeElement;
                  const ring = at.name === "task" ? at.nextElementSibling : at;
                  if (at !== document.body && getComputedStyle(ring).outlineStyle === "none") return "unseen";
                  return at.id || at.className || at.getAttribute("href") || at.tagName;
                }"""
            )
        )
    assert "unseen" not in reached
    return reached


def test_english_is_a_button_away_and_remembered(visit):
    page = visit("ner")
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#run")).to_have_text("Answer")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")


@pytest.mark.parametrize("task", TASKS)
def test_every_field_and_button_has_a_name(visit, task):
    page = visit(task)
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea")]
          .filter((node) => node.checkVisibility())
          .filter((node) => !node.textContent.trim() && !node.labels?.[0]?.textContent.trim())
          .map((node) => node.outerHTML)"""
    )
    assert nameless == []
