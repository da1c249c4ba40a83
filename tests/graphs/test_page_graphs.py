"""The page's graph lab, its quick kinds run to their end."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.support.lab_page import RECORDING, number, only_quick, row
from tests.support.visits import Visit


def test_the_quick_kinds_run_here_and_the_rest_stays_recorded(visit_with: Callable[..., Visit]) -> None:
    page = visit_with(only_quick)
    recorded = number(page, "eager", "total").inner_text()
    page.at("graphs-run").click()
    expect(page.at("graphs-cancel")).to_be_focused()
    expect(page.at("graphs-says")).to_have_text("1 of 2: PyTorch, whole chunk…")
    expect(row(page, "eager")).to_contain_text("running here")
    expect(page.at("graphs-says")).to_have_text("2 of 2: PyTorch, padded…")
    expect(row(page, "eager")).to_contain_text("here, just now")
    expect(row(page, "compile_static")).to_contain_text("recorded")
    expect(row(page, "tf_function")).to_contain_text("not installed here")
    expect(page.at("graphs-says")).to_have_text("Run here just now: 2 kinds.")
    expect(page.at("graphs-run")).to_have_text("Run them again")
    assert number(page, "eager", "total").inner_text() != recorded
    expect(number(page, "padded", "graphs")).to_have_text(str(len(RECORDING["chunks"])))
    row(page, "tf_function").get_by_role("button").click()
    expect(row(page, "tf_function").locator(".opened")).to_contain_text("pip install 'unrolled[tensorflow]'")
    page.at("graphs-view").click()
    expect(number(page, "eager", "total")).to_have_text(recorded)
    expect(row(page, "eager")).not_to_contain_text("here, just now")
    page.at("graphs-view").click()
    expect(row(page, "eager")).to_contain_text("here, just now")
