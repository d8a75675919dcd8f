"""What the page shows in a real browser, beside what the API itself answers."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import Page, expect

from tests.kit.serve_kit import served


def asked(site: str, task: str, **body: str) -> dict:
    """What the API answers; offsets in code points."""
    return httpx.post(f"{site}/v1/{task}", json=body, timeout=10).raise_for_status().json()["results"][0]


def words_before(page: Page, selector: str) -> list[tuple[str, str]]:
    """Each mark's own words, and all of the passage that stands before them."""
    return page.locator(".passage").evaluate(
        """(passage, selector) => {
          const plain = (node) => {
            const copy = node.cloneNode(true);
            copy.querySelectorAll(".type, .rank").forEach((extra) => extra.remove());
            return copy.textContent;
          };
          return [...passage.querySelectorAll(selector)].map((mark) => {
            const range = document.createRange();
            range.setStart(passage, 0);
            range.setEndBefore(mark);
            const holder = document.createElement("div");
            holder.append(range.cloneContents());
            return [plain(mark), plain(holder)];
          });
        }""",
        selector,
    )


def test_typed_text_is_answered_with_labels_as_the_api_says(visit, write, site):
    page = visit("classify")
    write(page, "今天的球赛太精彩了")
    labels = asked(site, "classify", text="今天的球赛太精彩了")["labels"]
    shown = page.locator(".bars .name").all_text_contents()
    assert shown == [label["name"] for label in labels][: len(shown)]
    assert shown
    expect(page.locator(".headline")).to_have_text(labels[0]["name"])
    expect(page.locator(".bars .score").first).to_have_text(re.compile(r"^[<>]?\d+\.\d%$"))


def test_a_pair_is_given_its_verdict(visit, write, site):
    page = visit("pair")
    write(page, "怎么改密码", "密码在哪里改")
    best = asked(site, "pair", text="怎么改密码", text_pair="密码在哪里改")["labels"][0]
    expect(page.locator(".headline")).to_have_text(best["name"])


def test_entities_are_marked_at_their_characters_behind_emoji(visit, write, site):
    page = visit("ner")
    text = "👩‍👩‍👧🎉 𠮷野家 北京和🀄北京！"
    write(page, text)
    entities = asked(site, "ner", text=text)["entities"]
    assert [entity["text"] for entity in entities] == ["北京", "北京"]
    marks = words_before(page, ".entity")
    assert marks == [[entity["text"], text[: entity["start"]]] for entity in entities]
    expect(page.locator(".entity .type").first).to_have_text(entities[0]["name"])
    expect(page.locator(".legend dt").first).to_be_visible()


def test_the_answer_is_marked_in_the_passage_behind_emoji(visit, write, site):
    page = visit("qa")
    question, context = "是什么？", "🎈🎈 从前有座山，甲李冰父子乙，山上👍🏽有座庙。"
    write(page, question, context)
    best = asked(site, "qa", question=question, context=context)["answers"][0]
    assert best["text"] == "甲李冰父子乙"
    assert words_before(page, ".answer.best") == [[best["text"], context[: best["start"]]]]
    expect(page.locator(".headline")).to_have_text(best["text"])


def test_markup_in_the_text_stays_text(visit, write):
    page = visit("ner")
    text = "<img src=x onerror=alert(1)><b>北京</b>"
    write(page, text)
    expect(page.locator(".passage")).to_contain_text("<img src=x onerror=alert(1)><b>")
    assert page.locator("#answer img, #answer b").count() == 0


def test_an_empty_text_is_refused_in_the_servers_sentence(visit, write, site, complaints):
    page = visit("classify")
    complaints.refusals.append(422)
    page.locator("#first").fill("")
    page.wait_for_timeout(300)
    expect(page.locator("#answer")).to_have_text("写点什么，回答会出现在这里。")
    expect(page.locator("#problem")).to_be_hidden()
    page.locator("#first").press("Control+Enter")
    refusal = httpx.post(f"{site}/v1/classify", json={"text": ""}, timeout=10).json()
    expect(page.locator("#problem .detail")).to_have_text(refusal["detail"])
    expect(page.locator("#timing")).to_be_hidden()
    write(page, "又有字了")
    expect(page.locator("#problem")).to_be_hidden()


def test_only_the_last_of_many_texts_is_shown(visit, write, site):
    page = visit("ner")
    late = []

    def hold(route):
        if route.request.post_data_json["text"] == "旧文字":
            late.append(route)
        else:
            route.continue_()

    page.route("**/v1/ner", hold)
    with page.expect_request("**/v1/ner"):
        page.locator("#first").fill("旧文字")
    write(page, "新文字")
    for route in late:
        route.abort() if page.is_closed() else route.continue_()
    page.wait_for_timeout(300)
    expect(page.locator(".passage")).to_contain_text("新文字")


def test_a_word_being_composed_is_not_sent(visit):
    page = visit("classify")
    sent = []
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    page.locator("#first").evaluate(
        """(field) => {
          field.dispatchEvent(new CompositionEvent("compositionstart"));
          field.value = "ni'hao";
          field.dispatchEvent(new InputEvent("input", { isComposing: true }));
        }"""
    )
    page.wait_for_timeout(400)
    assert sent == []
    page.locator("#first").evaluate(  # what was about to be sent when the next word began is not sent either
        """(field) => {
          field.value = "甲";
          field.dispatchEvent(new InputEvent("input"));
          field.value = "甲ni";
          field.dispatchEvent(new InputEvent("input", { isComposing: true }));
        }"""
    )
    page.wait_for_timeout(400)
    assert sent == []
    with page.expect_response("**/v1/classify"):
        page.locator("#first").evaluate(
            """(field) => {
              field.value = "你好";
              field.dispatchEvent(new CompositionEvent("compositionend"));
            }"""
        )
    assert len(sent) == 1


def test_the_command_asks_the_same_and_is_copied(visit, write, site):
    page = visit("classify")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    write(page, "it's 好")
    page.locator("#copy").click()
    expect(page.locator("#copy")).to_have_text("已复制")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == page.locator("#call").text_content()
    assert f"{site}/v1/classify" in command
    assert r"it'\''s 好" in command


def test_stages_and_the_model_are_named(visit, site):
    page = visit("classify")
    model = next(m for m in httpx.get(f"{site}/v1/models").json()["models"] if m["task"] == "classify")
    expect(page.locator(".stages dt")).to_have_text(["排队", "分词", "推理", "解码"])
    expect(page.locator("#about")).to_contain_text(model["name"])
    expect(page.locator("#about")).to_contain_text(model["version"][:12])


def test_a_server_with_one_task_shows_no_choice(visit, bundles, tmp_path):
    with served(bundles, tmp_path / "log", "--models", "classify") as server:
        page = visit("ner", base=server.url)
        expect(page.locator("#tasks")).to_be_hidden()
        expect(page.locator("#model-row")).to_be_hidden()
        expect(page.locator(".bars .name").first).to_be_visible()


def test_a_locked_server_is_opened_with_a_key(visit, bundles, complaints, tmp_path):
    complaints.refusals.append(401)
    with served(bundles, tmp_path / "log", QINGMO_API_KEYS="let-me-in") as server:
        page = visit("classify", base=server.url, locked=True)
        expect(page.locator("#closed .detail")).to_contain_text("API key")
        page.locator("#key").fill("let-me-in")
        page.locator("#key").press("Enter")
        expect(page.locator(".bars .name").first).to_be_visible()
        expect(page.locator("#call")).not_to_contain_text("let-me-in")


def test_another_model_answers_the_same_text(visit, write, site):
    page = visit("classify")
    write(page, "买了一只股票")
    with page.expect_request("**/v1/classify") as asked_for:
        page.locator("#model").select_option("second")
    assert asked_for.value.post_data_json == {"text": "买了一只股票", "model": "second", "top_k": 5}
    expect(page.locator("#about")).to_contain_text("second")


def test_a_text_of_ones_own_waits_while_another_task_is_tried(visit, write):
    page = visit("classify")
    write(page, "我自己的文字")
    with page.expect_response("**/v1/ner"):
        page.locator("input[name=task][value=ner]").check(force=True)
    expect(page.locator("#first")).not_to_have_value("我自己的文字")
    with page.expect_response("**/v1/classify"):
        page.locator("input[name=task][value=classify]").check(force=True)
    expect(page.locator("#first")).to_have_value("我自己的文字")


def test_an_answer_that_is_none_of_the_servers_is_no_answer(visit, write):
    """A gateway's login page comes with a 200 too."""
    page = visit("classify")
    login = {"status": 200, "content_type": "text/html", "body": "<p>Log in</p>"}
    page.route("**/v1/classify", lambda route: route.fulfill(**login))
    page.locator("#first").fill("新的文字")
    expect(page.locator("#problem")).to_be_visible()
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#answer")).not_to_contain_text("%")
    page.route("**/v1/models", lambda route: route.fulfill(**login))
    page.reload()
    expect(page.locator("#closed")).to_be_visible()
    said = page.locator("#closed-problem").inner_text()
    page.locator("#language").click()
    expect(page.locator("#closed-problem")).not_to_have_text(said)
