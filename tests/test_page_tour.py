"""The guided tour: eight stations, each with a run, one thing to see and one question; then the reader's own run."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.test_page import PHONE, Visit, Visits, browser, visit  # noqa: F401
from tests.test_page_about import SENTENCE, WORDS

STATIC = Path(__file__).parent.parent / "static"
STATIONS = ["picture", "lengths", "state", "gradient", "floors", "microscope", "odometer", "diverge"]
RIGHT = [3, 3, 1, 2, 1, 3, 2, 3]


def seed_and_pace(page: Visit) -> tuple[int, object]:
    return page.opened()[-1]["recipe"]["seed"], [each for each in page.sent if "pace" in each][-1]["pace"]


def test_every_station_asks_one_short_question_in_both_languages() -> None:
    for language, words in WORDS.items():
        for name in STATIONS:
            said = words[f"tour.{name}.text"]
            assert 2 <= len(re.findall(SENTENCE[language], said)) <= 3, name
            assert len(re.findall(r"[?？]", words[f"tour.{name}.ask"])) == 1, name
            choices = [words[f"tour.{name}.{choice}"] for choice in (1, 2, 3)]
            assert len(set(choices)) == 3
            assert 1 <= len(re.findall(SENTENCE[language], words[f"tour.{name}.why"])) <= 3, name


def test_the_tour_asks_before_it_tells_and_gives_the_own_run_back(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False)
    page.draws(2)
    page.choose("seed", 7)
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 7, "a recipe of one's own")
    page.draws(2)
    page.choose("learning_rate", 0.005)
    page.until(lambda: any(message["type"] == "changed" for message in page.received), "a live change")
    page.page.evaluate("() => document.activeElement.blur()")  # out of the field: keys are for typing there
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.page.locator("body").press("t")
    card = page.at("tour-card")
    own = page.opened()[-1]
    answer = page.at("tour-answer")
    expect(answer).to_have_attribute("aria-live", "polite")
    for number, (name, right) in enumerate(zip(STATIONS, RIGHT, strict=True), 1):
        expect(page.at("tour-count")).to_have_text(f"{number} of 8")
        expect(card.locator("h2")).to_be_focused()
        expect(card.locator("h2")).to_have_text(WORDS["en"][f"tour.{name}.title"])
        expect(page.page.locator("[data-pointed]")).to_have_count(1)
        page.until(lambda: len(page.opened()) > number, f"a run for {name}")  # noqa: B023
        expect(answer).to_be_empty()
        choice = right if number % 2 else right % 3 + 1
        page.at(f"tour-choice-{choice}").click()
        expect(answer).to_have_text(
            f"{'Right.' if choice == right else 'Not quite.'} {WORDS['en'][f'tour.{name}.why']}"
        )
        expect(page.at(f"tour-choice-{right}")).to_have_class("right")
        if name == "state":
            page.until(lambda: any(each.get("carry_state") is True for each in page.sent), "the state is carried now")
            page.at("tour-back").click()
            expect(page.at("tour-count")).to_have_text("2 of 8")
            page.at("tour-next").click()
            expect(page.at("tour-count")).to_have_text("3 of 8")
        page.at("tour-next").click()
    expect(card).to_have_count(0)
    expect(page.page.locator("[data-pointed]")).to_have_count(0)
    page.until(lambda: page.opened()[-1]["recipe"] == own["recipe"], "the own recipe again")
    assert page.opened()[-1]["changes"] == own["changes"] or page.opened()[-1]["changes"][0]["learning_rate"] == 0.005
    assert seed_and_pace(page) == (7, 20)


def test_escape_leaves_the_tour_and_focus_goes_back(visit: Visits) -> None:  # noqa: F811
    page = visit(charts=False)
    page.draws(1)
    expect(page.page.locator(".about-button").first).to_be_visible()
    page.at("tour").focus()
    page.page.keyboard.press("Enter")
    expect(page.at("tour-card")).to_be_visible()
    page.page.keyboard.press("?")
    page.page.keyboard.press("Escape")  # leaves the help, not the tour
    expect(page.page.locator("dialog[open]")).to_have_count(0)
    expect(page.at("tour-card")).to_be_visible()
    page.page.keyboard.press("Escape")
    expect(page.at("tour-card")).to_have_count(0)
    expect(page.at("tour")).to_be_focused()


def test_an_address_begins_the_tour_and_the_first_station_draws_the_tutorials_picture(
    visit: Visits,  # noqa: F811
    server_url: str,
) -> None:
    page = visit(server_url + "/#tour=1&seed=5", locale="zh-CN")
    card = page.at("tour-card")
    expect(card.locator("h2")).to_have_text(WORDS["zh"]["tour.picture.title"])
    picture = "() => document.querySelector('.tour .picture').data?.map(({name, x, y}) => ({name, x, y})) ?? []"
    page.until(lambda: len(page.page.evaluate(picture)) == 2, "two curves")
    cos, sin = page.page.evaluate(picture)
    assert (len(cos["x"]), cos["x"][0], cos["x"][-1]) == (100, 0, 2)
    assert (cos["y"][0], round(sin["y"][0], 9), cos["name"]) == (1, 0, WORDS["zh"]["tour.legend.target"])
    expect(card.locator(".legend")).to_contain_text(WORDS["zh"]["tour.legend.input"])
    page.until(lambda: len(page.opened()) >= 2, "the station's run")
    page.at("tour-close").click()
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 5, "the address's run")


def test_on_a_phone_the_card_is_a_sheet_over_the_transport(visit: Visits, server_url: str) -> None:  # noqa: F811
    page = visit(server_url + "/#tour=8", charts=False, viewport=PHONE, has_touch=True, is_mobile=True)
    card = page.at("tour-card")
    expect(page.at("tour-count")).to_have_text("8 of 8")
    page.at("tour-choice-3").tap()
    box, bar = card.bounding_box(), page.page.locator("#transport").bounding_box()
    assert box is not None
    assert bar is not None
    assert box["height"] <= 0.45 * PHONE["height"] + 1
    assert box["y"] + box["height"] <= bar["y"]
    heights = card.locator("button").evaluate_all("all => all.map((each) => each.getBoundingClientRect().height)")
    assert min(heights) >= 44
    expect(page.at("status")).to_have_text("diverged")
    rewind = page.at("notice").get_by_role("button")
    rewind.scroll_into_view_if_needed()
    rewind.tap()  # nothing lies over it
    page.until(lambda: any(each.get("learning_rate") == 0.5 for each in page.sent), "rewound at half the rate")


def test_the_stations_are_what_the_link_and_the_words_say() -> None:
    stations = re.findall(r'name: "(\w+)"', (STATIC / "tour_stations.js").read_text("utf-8"))
    assert stations == STATIONS
    assert f"STATIONS = {len(STATIONS)};" in (STATIC / "link.js").read_text("utf-8")
    right = [int(each) for each in re.findall(r"right: (\d)", (STATIC / "tour_stations.js").read_text("utf-8"))]
    assert right == RIGHT
