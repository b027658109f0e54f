"""The report page in a browser: nothing is loaded, nothing runs but its own script, and everybody can use it."""

import re
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from dlglc.reports.pages import experiment_page
from support.experiments import HOSTILE, write_experiment

pytestmark = pytest.mark.slow
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZES = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, as Debian has it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium, or tests/run.sh as root with BROWSER_TESTS=1")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def pages(once):
    """Pages of an experiment with ids that hold HTML, and of one without truth and trials."""

    def make(top):
        for name, known in (("full", True), ("blind", False)):
            exp, data = write_experiment(top / name, truth=known, trials=known)
            experiment_page(exp, data)

    top = once("report-pages", make)
    return {name: top / name / "exp/x/report.html" for name in ("full", "blind")}


class Opened:
    """A page, and what it did: messages of its console, dialogs, requests for anything but itself."""

    def __init__(self, browser: Browser, file, width=1280, scheme="light", **options):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
        self.page: Page = self.context.new_page()
        self.said: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.said.append(f"request {request.url[:80]}"))
        self.page.goto(file.resolve().as_uri())
        self.own = f"request {file.resolve().as_uri()[:80]}"

    def strange(self) -> list[str]:
        """What the page should not have done."""
        return [words for words in self.said if words != self.own and not words.startswith("request data:")]


@pytest.fixture
def opened(browser):
    """opened(file, …) → a page; all are closed at the end."""
    pages = []

    def start(*args, **options):
        pages.append(Opened(browser, *args, **options))
        return pages[-1]

    yield start
    for one in pages:
        one.context.close()


@pytest.mark.parametrize("name", ["full", "blind"])
@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_a_page_is_quiet_fits_and_is_accessible(opened, pages, name, width, scheme):
    one = opened(pages[name], width, scheme, bypass_csp=True)  # axe is a script that the page does not know
    found = Axe().run(one.page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert one.strange() == []
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.locator("section").count() == (8 if name == "full" else 7)
    background = one.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background))) < 200) == (scheme == "dark")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_real_run_is_quiet_fits_and_is_accessible(opened, finished, width):
    one = opened(finished.tree / "exp/mini/report.html", width, "dark", bypass_csp=True)
    found = Axe().run(one.page).response["violations"]
    assert [(violation["id"], violation["nodes"][0]["html"]) for violation in found] == []
    assert one.strange() == []
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.page.locator("svg").count() > 10


def test_ids_that_hold_html_stay_text(opened, pages):
    one = opened(pages["full"])
    assert one.page.locator("img").count() == 0
    assert one.page.evaluate("document.body.textContent").count(HOSTILE) > 5
    assert one.page.evaluate("[...document.querySelectorAll('*')].filter(e => e.hasAttribute('onerror')).length") == 0
    # If a picture did get in, the page's policy would not let its script run.
    one.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')")
    one.page.wait_for_timeout(200)
    assert not any("dialog" in words for words in one.said)
    assert any("Content Security Policy" in words for words in one.said)


def test_the_slider_moves_by_keyboard_and_says_what_it_shows(opened, pages):
    page = opened(pages["full"]).page
    figure = page.locator(".slider").first
    slider = figure.locator("input")
    shown = figure.locator(".frame.shown")
    assert set(shown.evaluate_all("all => all.map(e => e.dataset.frame)")) == {"4"}
    last = slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert figure.locator("output").text_content() == "3"
    assert set(shown.evaluate_all("all => all.map(e => e.dataset.frame)")) == {"3"}
    assert slider.get_attribute("aria-valuetext") == figure.locator(".said").text_content() != last
    page.keyboard.press("Home")
    assert set(shown.evaluate_all("all => all.map(e => e.dataset.frame)")) == {"2"}
    assert "Epoch 2: the threshold of 1.5 on the loss" in figure.locator(".said").text_content()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == last
    visible = figure.locator(".frame").evaluate_all("all => all.filter(e => getComputedStyle(e).display !== 'none')")
    assert len(visible) == shown.count()


def test_colours_of_the_map_are_chosen_by_keyboard(opened, pages):
    page = opened(pages["full"]).page
    choice = page.locator(".choice")
    titles = choice.locator("figcaption")
    assert titles.count() == 3
    assert [titles.nth(i).is_visible() for i in range(3)] == [True, False, False]
    choice.locator("input").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert [titles.nth(i).is_visible() for i in range(3)] == [False, False, True]
    assert titles.nth(2).text_content().endswith("coloured by true speaker")


def test_a_point_under_the_pointer_is_named(opened, pages):
    page = opened(pages["full"]).page
    for kind in range(3):
        page.locator(".choice input").nth(kind).check()
        marks = page.locator(".chosen").nth(kind).locator(".points use")
        assert marks.count() == 48
        names = set()
        for number in (0, 20, 47):
            marks.nth(number).scroll_into_view_if_needed()
            marks.nth(number).hover(force=True)
            text = page.locator(".choice .point").text_content()
            assert re.fullmatch(r".+-u\d: cluster \d, session .+-session\d, true speaker .+", text)
            speaker = text.split("-u")[0]
            assert text.endswith(f"true speaker {speaker}")
            names.add(text)
        assert len(names) == 3


def test_clips_can_be_played(opened, pages):
    one = opened(pages["full"])
    assert one.page.locator("audio").count() == 12
    load = "e => new Promise((good, bad) => { e.oncanplaythrough = () => good(e.duration); e.onerror = bad; e.load() })"
    one.page.locator("audio").first.evaluate("e => { e.preload = 'auto' }")
    assert one.page.locator("audio").first.evaluate(load) == pytest.approx(0.5, abs=0.1)
    assert one.strange() == []


def test_without_a_script_the_last_epoch_and_the_first_colours_are_shown(opened, pages):
    page = opened(pages["full"], java_script_enabled=False).page
    assert (
        page.locator('.slider .frame.shown[data-frame="4"]').count() == page.locator(".slider .frame.shown").count() > 0
    )
    titles = page.locator(".choice figcaption")
    assert [titles.nth(i).is_visible() for i in range(3)] == [True, False, False]
