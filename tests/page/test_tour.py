"""The guided tour: eight stations, each with a run, one thing to see and one question; then the reader's own run."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from model.recipe import Recipe
from tests.support.stations import STATIONS
from tests.support.visits import PHONE, Visit
from tests.support.words import SENTENCE, WORDS

STATIC = Path(__file__).parents[2] / "static"
RIGHT = [3, 3, 1, 2, 1, 3, 2, 3]


@pytest.fixture(scope="module")
def held_resident(browser: Browser, server_url: str) -> Iterator[Visit]:
    """One page on a phone for all these tests."""
    context = browser.new_context(viewport=PHONE, locale="en-US", has_touch=True, is_mobile=True)
    yield Visit(context, server_url + "/", charts=False)
    context.close()


@pytest.fixture
def held(held_resident: Visit) -> Iterator[Visit]:
    """The page on a phone, with its first run begun anew."""
    held_resident.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    held_resident.begins_anew()
    yield held_resident
    held_resident.rests()
    assert held_resident.troubles == []


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


def test_the_tour_asks_before_it_tells_and_gives_the_own_run_back(page: Visit) -> None:
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


def test_escape_leaves_the_tour_and_focus_goes_back(page: Visit) -> None:
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


def test_on_a_phone_the_card_is_a_sheet_over_the_transport(held: Visit) -> None:
    page = held
    page.opens("tour=8")
    card = page.at("tour-card")
    expect(page.at("tour-count")).to_have_text("8 of 8")
    page.at("tour-choice-3").tap()
    box, bar = card.bounding_box(), page.page.locator("#transport").bounding_box()
    assert box is not None
    assert bar is not None
    assert box["height"] <= 0.5 * PHONE["height"]
    assert box["y"] + box["height"] <= bar["y"]
    heights = card.locator("button").evaluate_all("all => all.map((each) => each.getBoundingClientRect().height)")
    assert min(heights) >= 44
    expect(page.at("status")).to_have_text("diverged")
    rewind = page.at("notice").get_by_role("button")
    expect(rewind).to_be_in_viewport(ratio=1)
    rewind.tap()  # nothing lies over it
    page.until(lambda: rewound(page), "rewound at half the rate")


def rewound(page: Visit) -> bool:
    """Whether the run of the last station was begun again with half its learning rate."""
    halved = [{"after_update": 0, "learning_rate": 0.15}]
    return any(each["type"] == "open" and each.get("changes") == halved for each in page.sent)


def test_the_last_station_recovers_with_the_one_click_that_it_names(page: Visit) -> None:
    page.opens("tour=8")
    page.at("tour-choice-3").click()
    expect(page.at("tour-answer")).to_contain_text("press the button there")
    expect(page.at("status")).to_have_text("diverged")
    page.at("notice").get_by_role("button").click()
    page.until(lambda: rewound(page), "the run begins again")
    begun = len(page.received)
    page.says({"type": "pace", "pace": "max"})

    def losses() -> list[float]:
        told = (message for message in page.received[begun:] if message["type"] == "updates")
        return [update["loss"] for message in told for update in message["updates"]]

    page.until(lambda: len(losses()) > 200, "two hundred updates")
    assert sum(losses()[150:200]) / 50 < 0.3, "under the floor of those without memory"
    assert not any(message["type"] == "diverged" for message in page.received[begun:])


def test_the_tour_passes_over_what_the_page_hides(page: Visit) -> None:
    page.opens("tour=1&hide=wave,microscope,odometer")
    expect(page.at("tour-count")).to_have_text("5 of 8")
    expect(page.at("tour-back")).to_be_disabled()
    expect(page.at("tour-next")).to_have_text("Done")
    page.at("tour-next").click()
    expect(page.at("tour-card")).to_have_count(0)


# ---------------------------------------------------------------- what comes and goes with it


def paste(page: Visit, link: str) -> None:
    page.page.evaluate("link => { location.hash = link }", link)


def begins(page: Visit, key: str = "t") -> None:
    """The tour, by its key, once that is heard; and its first station's run."""
    expect(page.page.locator(".about-button").first).to_be_visible()
    before = len(page.opened())
    page.page.keyboard.press(key)
    expect(page.at("tour-card")).to_be_visible()
    page.until(lambda: len(page.opened()) > before, "the station's run")


def test_a_link_pasted_during_the_tour_ends_it_and_its_run_is_the_readers(page: Visit) -> None:
    page.draws(2)
    begins(page)
    page.draws(1)
    paste(page, "#seed=9&hide=network&pace=30")
    expect(page.at("tour-card")).to_have_count(0)
    expect(page.page.locator("#network")).to_be_hidden()
    assert seed_and_pace(page) == (9, 30)
    page.draws(20)
    page.page.keyboard.press("Escape")
    page.draws(40)
    assert seed_and_pace(page) == (9, 30), "nothing is given back in its place"
    assert "seed=9" in page.page.url


def test_a_link_pasted_during_the_tour_may_begin_it_anew_or_be_refused(page: Visit) -> None:
    page.draws(2)
    begins(page)
    paste(page, "#hidden_size=500")
    expect(page.at("notice")).to_contain_text("This link cannot be opened.")
    expect(page.at("tour-count")).to_have_text("1 of 8")
    paste(page, "#seed=9&tour=4")
    expect(page.at("tour-count")).to_have_text("4 of 8")
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 1, "the fourth station's run")
    page.page.keyboard.press("Escape")
    page.until(lambda: page.opened()[-1]["recipe"]["seed"] == 9, "the link's run is what is given back")
    begins(page)
    paste(page, "#hidden_size=500")
    expect(page.at("notice")).to_contain_text("This link cannot be opened.")
    page.at("notice").get_by_role("button").click()
    expect(page.at("tour-card")).to_have_count(0)
    page.until(lambda: page.opened()[-1]["recipe"] == Recipe().model_dump(), "the default run, as was asked for")


def test_the_twin_rests_during_the_tour_and_comes_back_after_it(page: Visit) -> None:
    page.opens("seed=5&carry_state=false&twin=carried")
    twin = page.page.locator("#twin")

    def opened_last() -> list[tuple[int, bool]]:
        return sorted((each["recipe"]["seed"], each["recipe"]["carry_state"]) for each in page.opened()[-2:])

    page.until(lambda: opened_last() == [(5, False), (5, True)], "the run and its twin")
    expect(twin).to_have_value("carried")
    begins(page)
    expect(twin).to_have_value("")
    page.at("tour-next").click()
    page.until(lambda: [each["recipe"]["seed"] for each in page.opened()[-2:]] == [1, 1], "two stations, and no twin")
    assert (
        page.page.evaluate("wires.filter((wire) => wire.readyState === 1 && wire.url.endsWith('/ws/train')).length")
        == 1
    )
    page.page.keyboard.press("Escape")
    page.until(lambda: opened_last() == [(5, False), (5, True)], "both begin again")
    expect(twin).to_have_value("carried")
    page.until(lambda: "twin=carried" in page.page.url, "and the address says so")


@pytest.mark.parametrize("by_pointer", [False, True], ids=["keys", "pointer"])
def test_where_nothing_had_focus_before_the_tour_the_keys_are_the_runs_again(page: Visit, by_pointer: bool) -> None:
    page.draws(1)
    expect(page.page.locator(".about-button").first).to_be_visible()
    if by_pointer:
        page.at("tour").click()
        page.at("tour-close").click()
    else:
        begins(page)
        page.page.keyboard.press("Escape")
    expect(page.at("tour-card")).to_have_count(0)
    assert page.page.evaluate("document.activeElement === document.body")
    page.page.keyboard.press("Space")
    expect(page.at("status")).to_have_text("paused")
    expect(page.at("tour-card")).to_have_count(0)


# ---------------------------------------------------------------- what is seen of it

SMALL = {"width": 360, "height": 640}
HIDDEN = """() => {
  const [body, card] = [document.querySelector('.tour > .body'), document.querySelector('.tour')];
  const last = [...body.querySelectorAll('.choices button')].at(-1).getBoundingClientRect();
  return last.bottom - body.getBoundingClientRect().bottom > 1 || card.hasAttribute('data-more');
}"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_on_a_phone_every_choice_is_seen_at_once(held: Visit, language: str) -> None:
    page = held
    page.opens(f"tour=1&lang={language}")
    for name in STATIONS:
        expect(page.at("tour-card")).to_have_attribute("data-station", name)
        for size in (SMALL, PHONE):
            page.page.set_viewport_size(size)  # type: ignore[arg-type]
            assert not page.page.evaluate(HIDDEN), name
        page.at("tour-next").tap()


def test_where_the_card_is_too_short_it_shows_that_its_words_go_on(held: Visit) -> None:
    page = held
    page.page.set_viewport_size({"width": 360, "height": 480})
    page.opens("tour=5")
    card, body = page.at("tour-card"), page.page.locator(".tour > .body")
    expect(card).to_have_attribute("data-more", "")
    body.evaluate("body => body.scrollTo(0, body.scrollHeight)")
    expect(card).not_to_have_attribute("data-more", "")


def test_the_stations_are_what_the_link_and_the_words_say() -> None:
    stations = re.findall(r'name: "(\w+)"', (STATIC / "aids/tour_stations.js").read_text("utf-8"))
    assert stations == STATIONS
    assert f"STATIONS = {len(STATIONS)};" in (STATIC / "run/link.js").read_text("utf-8")
    right = [int(each) for each in re.findall(r"right: (\d)", (STATIC / "aids/tour_stations.js").read_text("utf-8"))]
    assert right == RIGHT
