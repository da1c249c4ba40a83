"""The run as a script, from the page: what its dialog shows prints the losses that the page got, but for rounding."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.scripts import rows, run_alone
from tests.support.visits import PHONE, Visit


def test_the_script_of_a_run_prints_the_losses_that_the_page_received(page: Visit, tmp_path: Path) -> None:
    page.draws(3)
    page.choose("learning_rate", 0.005)
    page.until(lambda: any(message["type"] == "changed" for message in page.received), "the rate is changed")
    page.draws(max(update["update"] for update in page.updates()) + 5)
    page.pauses()
    # typing a number and leaving its field is one change or two
    changed = sorted({message["after_update"] for message in page.received if message["type"] == "changed"})
    page.at("script").click()
    dialog = page.at("script-dialog")
    expect(dialog).to_contain_text(f"its live changes ({len(changed)})")
    shown = page.at("script-text")
    expect(shown).to_contain_text(f'{changed[0]}: {{"learning_rate": 0.005}}')
    expect(page.at("script-says")).to_have_text("python unrolled-rnn-seed-1.py")
    with page.page.expect_download() as download:
        page.at("script-download").click()
    assert download.value.suggested_filename == "unrolled-rnn-seed-1.py"
    file = tmp_path / "unrolled-rnn-seed-1.py"
    download.value.save_as(file)
    assert file.read_text("utf-8") == shown.text_content()
    expect(shown).to_contain_text("Unrolled ran it compiled")
    expect(dialog).to_contain_text("but for rounding")
    said = rows(run_alone(tmp_path, file.name))
    received = page.updates()
    assert min(len(said), len(received)) > changed[0] + 1, "the change is among what is compared"
    for (number, length, loss), update in zip(said, received, strict=False):  # 60 at the most: rounding has not grown
        assert (number, length) == (update["update"], update["length"])
        assert loss == pytest.approx(update["loss"], rel=1e-3)
    page.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.at("script")).to_be_focused()


def test_the_script_of_a_run_of_pytorch_says_that_its_losses_are_equal_to_the_bit(page: Visit) -> None:
    page.opens("framework=torch&seed=2")
    page.at("script").click()
    expect(page.at("script-dialog")).to_contain_text("to the bit with the same PyTorch")
    expect(page.at("script-text")).to_contain_text("to the bit with the same PyTorch")
    page.page.keyboard.press("Escape")


def test_the_script_is_copied_on_a_phone_and_a_refusal_is_told(page: Visit) -> None:
    page.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.speaks("zh")
    page.draws(2)
    page.at("script").click()
    dialog = page.at("script-dialog")
    expect(dialog.get_by_role("heading")).to_have_text("这次训练的 PyTorch 脚本")
    page.at("script-copy").click()
    expect(page.at("script-copy")).to_have_text("已复制")
    copied = page.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == page.at("script-text").text_content()
    assert copied.startswith('"""A recurrent network')
    for button in dialog.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    assert page.page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
    page.page.keyboard.press("Escape")

    problem = {"code": "conflict", "field": "recipe.framework", "detail": "it must be torch"}
    page.page.route("**/script", lambda route: route.fulfill(status=422, json=problem))
    page.at("script").click()
    expect(page.at("script-says")).to_contain_text("it must be torch")
    expect(page.at("script-says")).to_have_class(re.compile("error"))
    expect(page.at("script-copy")).to_be_disabled()
    page.troubles[:] = [trouble for trouble in page.troubles if "422" not in trouble]
