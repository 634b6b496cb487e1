"""The test page as people use it, in Chromium, with the sample's own service behind it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from sklearn.linear_model import LogisticRegression

from scoring import mnist

from .page import DIGITS, NARROW, NONE, WIDE, Page, chromium
from .process import Server, app_root, running

MNIST = Path(mnist.__file__).parent
LABELS = ["7", "2", "1", "0", "4"]


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def mnist_server(tmp_path_factory: pytest.TempPathFactory, model: LogisticRegression) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("mnist")
    for name in ("score.py", "sample_input.json"):
        shutil.copy(MNIST / name, root / name)
    folder = root / "azureml-models" / "sklearn_mnist" / "1"
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "sklearn_mnist_model.pkl")
    environ = {"AZUREML_MODEL_DIR": str(folder), "SERVICE_NAME": "mnist", "SCORING_DRAIN": "0.5"}
    with running(root, "score.py", environ) as server:
        yield server


@pytest.fixture
def page(driver: Chrome, mnist_server: Server) -> Page:
    """The sample's page, filled."""
    page = Page(driver, mnist_server, "/ui")
    page.open()
    page.wait(lambda: len(page.all("#digits figure")) == len(LABELS))
    return page


def test_the_page_is_filled_with_the_sample_and_quiet(page: Page) -> None:
    page.wait(lambda: page.find("#health").text == "Healthy")
    assert page.driver.title == "mnist: test page"
    assert json.loads(page.input) == json.loads((MNIST / "sample_input.json").read_text())
    assert page.texts("#digits figcaption") == ["·"] * len(LABELS)
    assert page.find("#path").text == "/score"
    assert not page.find("#access").is_displayed()
    assert page.console() == []
    asked = page.requests()
    assert f"{page.origin}/ui/page.js" in asked
    assert all(url.startswith(f"{page.origin}/") for url in asked)
    assert not any("swagger-ui" in url for url in asked), "it is large, and nobody has asked for it"


def test_sending_shows_the_label_of_each_digit_and_the_times(page: Page) -> None:
    page.send()
    assert page.find("#status").text == "200 OK"
    assert json.loads(page.find("#body").text) == [int(label) for label in LABELS]
    assert page.texts("#digits figcaption") == LABELS
    names = [element.get_dom_attribute("aria-label") for element in page.all("#digits figure")]
    assert names[0] == "Digit 1, predicted 7"
    assert page.find("#round-trip").text.endswith(" ms")
    assert float(page.find("#run-time").text.removesuffix(" ms")) > 0
    request_id = page.find("#request-id").text
    assert len(request_id) == 36
    drawn = page.driver.execute_script(
        "const c = document.querySelector('#digits canvas');"
        "return c.getContext('2d').getImageData(0, 0, 28, 28).data.filter((_, place) => place % 4 === 3)"
    )
    sent = json.loads((MNIST / "sample_input.json").read_text())["data"][0]
    assert list(drawn.values() if isinstance(drawn, dict) else drawn) == [round(255 * ink) for ink in sent]
    assert page.console() == []


@pytest.mark.parametrize(
    ("text", "status", "message"),
    [('{"wrong": 1}', "500", "error occurred in scoring script"), ("{", "500", "error occurred in scoring script")],
)
def test_an_error_is_shown_as_one(page: Page, text: str, status: str, message: str) -> None:
    page.send()
    page.type(text)
    page.send()
    assert page.find("#status").text.startswith(status)
    assert page.find("#status").get_dom_attribute("data-kind") == "bad"
    assert message in json.loads(page.find("#body").text)["message"]
    assert page.find("#run-time").text == NONE
    assert page.all("#digits figure") == []
    page.click("#sample")
    assert len(page.all("#digits figure")) == len(LABELS)


def test_a_service_that_is_gone_is_told(page: Page) -> None:
    page.driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        page.send()
        assert page.find("#status").text.startswith("No answer: ")
        assert not page.find("#facts").is_displayed()
        page.wait(lambda: page.find("#health").text == "Not ready")
    finally:
        page.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {**offline, "offline": False})
    page.send()
    assert page.find("#status").text == "200 OK"


def test_drawn_digits_are_read(page: Page) -> None:
    assert not page.find("#predict").is_enabled()
    assert {digit: page.predict(digit) for digit in DIGITS} == {digit: digit for digit in DIGITS}
    assert page.texts("#digits figcaption") == ["9"]
    (row,) = json.loads(page.input)["data"]
    assert len(row) == 784
    assert max(row) == 1
    page.click("#clear")
    assert page.find("#label").text == NONE
    assert not page.find("#predict").is_enabled()
    assert page.console() == []


def test_a_small_digit_in_a_corner_is_read_as_a_large_one(page: Page) -> None:
    page.draw([[(x / 4 + 0.7, y / 4 + 0.7) for x, y in stroke] for stroke in DIGITS["2"]])
    page.click("#predict")
    page.wait(lambda: page.find("#label").text != NONE)
    assert page.find("#label").text == "2"


def test_a_finger_draws_on_a_narrow_screen(page: Page) -> None:
    page.open(NARROW, touch=True)
    page.wait(lambda: page.all("#digits figure"))
    assert [page.predict(digit, touch=True) for digit in "70"] == ["7", "0"]


def test_pixels_from_0_to_255_and_rows_of_28_are_digits_too(page: Page) -> None:
    rows = [[0] * 28 for _ in range(28)]
    rows[5][6] = 255
    page.driver.execute_script(
        "const box = document.getElementById('input'); box.value = arguments[0]; box.dispatchEvent(new Event('input'))",
        json.dumps({"a": {"b": [rows, rows]}, "c": "kept"}),
    )
    assert len(page.all("#digits figure")) == 2
    page.draw(DIGITS["1"])
    page.forget()
    page.click("#predict")
    page.answered()
    value = json.loads(page.input)
    assert value["c"] == "kept"
    (image,) = value["a"]["b"]
    assert [len(row) for row in image] == [28] * 28
    assert max(max(row) for row in image) == 255


def test_all_is_done_by_keyboard(page: Page) -> None:
    def tab() -> str:
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        return str(page.driver.execute_script("const e = document.activeElement; return e.id || e.tagName"))

    assert tab() == "input"
    page.driver.switch_to.active_element.send_keys(Keys.CONTROL, Keys.ENTER)
    page.answered()
    assert page.find("#status").text == "200 OK"
    assert tab() == "send"
    page.forget()
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.answered()
    assert page.find("#status").text == "200 OK"
    assert [tab() for _ in range(4)] == ["tidy", "sample", "body", "SUMMARY"]
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    page.wait(lambda: page.all("#swagger .opblock"))


def test_swagger_ui_shows_the_service_and_tries_it_out(page: Page) -> None:
    status, body = page.try_out()
    assert status.startswith("200")
    assert json.loads(body) == [int(label) for label in LABELS]
    assert page.texts("#swagger .opblock-summary-path") == ["/", "/score", "/swagger.json"]
    assert not page.all("#swagger .authorize"), "the page has a field for the key"
    assert page.console() == []
    assert all(url.startswith(f"{page.origin}/") for url in page.requests())


@pytest.mark.parametrize("size", [WIDE, NARROW, (320, 600)])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_and_can_be_read(page: Page, size: tuple[int, int], dark: bool) -> None:
    page.open(size, dark=dark)
    page.wait(lambda: page.all("#digits figure"))
    page.send()
    assert page.overflow == 0
    for css in ("h1", "#health", ".note", "#status", "#facts dt", "#body", "#send", "#tidy", "figcaption"):
        assert contrast(page, css) >= 4.5, css
    beside = page.find("#answer").rect["y"] == page.find("#request").rect["y"]
    assert beside is (size == WIDE)


def contrast(page: Page, css: str) -> float:
    """The contrast of a text to what is behind it, by WCAG 2's formula."""
    return float(
        page.driver.execute_script(
            """
            const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
            const light = (colour) => numbers(colour).slice(0, 3)
              .map((level) => level / 255)
              .map((level) => (level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4))
              .reduce((sum, level, place) => sum + level * [0.2126, 0.7152, 0.0722][place], 0);
            const element = document.querySelector(arguments[0]);
            let behind = element;
            while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
            const [dark, bright] = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
              .map(light).sort((a, b) => a - b);
            return (bright + 0.05) / (dark + 0.05);
            """,
            css,
        )
    )


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, driver: Chrome) -> Iterator[Callable[[dict[str, str], str], Page]]:
    """Gives the page of a service with these settings, which answers with what it is sent; keys are in "keys"."""
    servers = []

    def page(environ: dict[str, str], path: str) -> Page:
        root = app_root(tmp_path_factory.mktemp("ui"), "plain.py", "sibling.py")
        (root / "keys").write_text("a-key\n")
        given = {name: value.format(root=root) for name, value in environ.items()}
        given["SCORING_DRAIN"] = "0.5"
        manager = running(root, "plain.py", given)
        servers.append(manager)
        return Page(driver, manager.__enter__(), path)

    yield page
    for manager in servers:
        manager.__exit__(None, None, None)


def test_with_keys_the_page_asks_for_one(start: Callable[[dict[str, str], str], Page]) -> None:
    page = start({"SCORING_KEYS_FILE": "{root}/keys", "SCORING_UI": "on"}, "/ui")
    page.open()
    page.wait(lambda: page.find("#access").is_displayed())
    assert page.driver.switch_to.active_element == page.find("#key")
    assert page.console() == []
    page.send()
    assert page.find("#status").text == "401 Unauthorized"
    page.find("#key").send_keys("wrong", Keys.ENTER)
    page.wait(lambda: page.find("#access-note").text == "The service does not accept this key.")
    page.find("#key").clear()
    page.find("#key").send_keys("a-key", Keys.ENTER)
    page.wait(lambda: page.find("#access-note").text == "Accepted")
    page.type('{"a": [1, 2.5]}')
    page.send()
    assert page.find("#status").text == "200 OK"
    assert json.loads(page.find("#body").text) == {"a": [1, 2.5]}
    assert not page.find("#drawing").is_displayed(), "nothing in it is a digit"
    status, _ = page.try_out()
    assert status.startswith("200")
    assert "a-key" not in page.server.log.text


def test_below_a_prefix_without_a_sample(start: Callable[[dict[str, str], str], Page]) -> None:
    page = start({"SERVICE_PATH_PREFIX": "/a/b"}, "/a/b/ui/")
    page.open()
    page.wait(lambda: "sample_input.json" in page.find("#input-note").text)
    assert page.driver.current_url == f"{page.origin}/a/b/ui"
    assert page.find("#path").text == "/a/b/score"
    page.wait(lambda: page.find("#health").text == "Healthy")
    page.type('"<b>text</b>"')
    page.send()
    assert page.find("#body").text == '"<b>text</b>"'
    assert page.console() == []


def test_a_request_that_takes_long_can_be_cancelled(start: Callable[[dict[str, str], str], Page]) -> None:
    page = start({}, "/ui")
    page.open()
    page.wait(lambda: "sample_input.json" in page.find("#input-note").text)
    page.type('{"do": "sleep", "seconds": 1000}')
    page.click("#send")
    page.wait(lambda: page.find("#send").text == "Cancel")
    page.click("#send")
    page.wait(lambda: page.find("#status").text == "Cancelled")
    assert page.find("#send").text == "Send"
