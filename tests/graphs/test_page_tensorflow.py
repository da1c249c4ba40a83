"""The preset "TensorFlow tutorial" in Chromium, with TensorFlow really there."""

from playwright.sync_api import expect

from tests.conftest import Server
from tests.support.visits import DESK, Visit


def test_the_tensorflow_tutorial_trains_in_the_page_and_draws_what_it_predicts_after_the_update(
    browser, server: Server
) -> None:
    context = browser.new_context(viewport=DESK, locale="en-GB")
    page = Visit(context, server.url, charts=False)
    page.draws(1)
    page.page.locator("[data-preset=tensorflow]").click()
    expect(page.page.locator("#network-text")).to_contain_text("built once")
    page.until(lambda: page.page.evaluate("document.body.dataset.notice") == "finished", "the 60 updates")
    expect(page.page.locator("[data-preset=tensorflow]")).to_have_attribute("aria-pressed", "true")
    expect(page.page.locator("#wave-prediction")).to_have_text("prediction, after the update")
    expect(page.page.locator("#lengths")).to_contain_text("step 59: mean loss")
    assert page.opened()[-1]["recipe"] | {"seed": 0} == page.opened()[-1]["recipe"] | {
        "seed": 0,
        "framework": "tensorflow",
        "stop_after": 60,
    }
    assert page.troubles == []
    context.close()
