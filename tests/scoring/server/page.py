"""The test page in a real browser, for tests."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from toolchain import browser
from toolchain.machine import Machine

from .process import Server

WAIT_S = 30.0
NONE = "\u2013"
WIDE, NARROW = (1200, 900), (360, 740)
Stroke = Sequence[tuple[float, float]]


def arc(centre: tuple[float, float], radii: tuple[float, float], start: float, end: float) -> Stroke:
    """Points along an ellipse, clockwise from `start` to `end` in degrees; 0 is on the right."""
    angles = [math.radians(start + (end - start) * step / 12) for step in range(13)]
    return [(centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)) for angle in angles]


# As people write them, on a pad whose sides are 1 long.
DIGITS: dict[str, list[Stroke]] = {
    "0": [arc((0.5, 0.5), (0.22, 0.32), -90, 270)],
    "1": [[(0.55, 0.15), (0.5, 0.5), (0.45, 0.85)]],
    "2": [[*arc((0.5, 0.33), (0.2, 0.18), -170, 40), (0.5, 0.62), (0.28, 0.84), (0.75, 0.82)]],
    "3": [[*arc((0.45, 0.32), (0.2, 0.16), -150, 90), *arc((0.45, 0.66), (0.23, 0.19), -90, 140)]],
    "4": [[(0.35, 0.15), (0.3, 0.5), (0.7, 0.5)], [(0.65, 0.2), (0.62, 0.9)]],
    "5": [[(0.7, 0.17), (0.38, 0.17), (0.36, 0.45), *arc((0.47, 0.62), (0.2, 0.19), -110, 140)]],
    "6": [[(0.6, 0.13), (0.42, 0.35), (0.34, 0.6), *arc((0.5, 0.68), (0.17, 0.16), -180, 180)]],
    "7": [[(0.25, 0.2), (0.75, 0.2), (0.6, 0.5), (0.45, 0.88)]],
    "8": [arc((0.5, 0.32), (0.16, 0.16), 90, 450), arc((0.5, 0.68), (0.19, 0.2), -90, 270)],
    "9": [arc((0.48, 0.34), (0.18, 0.18), -20, 340), [(0.64, 0.6), (0.58, 0.88)]],
}


@contextlib.contextmanager
def chromium() -> Iterator[Chrome]:
    """A browser without a window."""
    found = browser.find(Machine.from_environ(os.environ))
    options = ChromeOptions()
    options.binary_location = str(found.command)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium's sandbox refuses root
    driver = Chrome(options, Service(str(found.driver)))
    try:
        yield driver
    finally:
        driver.quit()


@dataclass
class Page:
    """The page of a service, open."""

    driver: Chrome
    server: Server
    path: str

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def open(self, size: tuple[int, int] = WIDE, *, dark: bool = False, touch: bool = False) -> None:
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": touch}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": touch})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(self.origin + self.path)

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def texts(self, css: str) -> list[str]:
        return [element.text for element in self.all(css)]

    def wait(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, WAIT_S, 0.02).until(lambda _: condition())

    def click(self, css: str) -> None:
        self.wait(lambda: self.find(css).is_enabled())
        element = self.find(css)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    # the request and its answer

    @property
    def input(self) -> str:
        return str(self.find("#input").get_property("value"))

    def type(self, text: str) -> None:
        self.find("#input").clear()
        self.find("#input").send_keys(text)

    def send(self) -> None:
        """Send, and wait for the answer to be shown."""
        self.forget()
        self.click("#send")
        self.answered()

    def forget(self) -> None:
        """Take the last answer off the page, lest it is taken for the next."""
        self.driver.execute_script("document.getElementById('status').dataset.kind = 'none'")

    def answered(self) -> None:
        self.wait(lambda: self.find("#status").get_dom_attribute("data-kind") != "none")
        self.wait(lambda: self.find("#send").text == "Send")

    def draw(self, strokes: Sequence[Stroke], *, touch: bool = False) -> None:
        self.driver.execute_script("document.getElementById('pad').scrollIntoView({block: 'center'})")
        corner = "const {left, top, width} = document.getElementById('pad').getBoundingClientRect();"
        left, top, width = self.driver.execute_script(f"{corner} return [left, top, width]")
        for stroke in strokes:
            points = [{"x": left + x * width, "y": top + y * width} for x, y in stroke]
            for place, point in enumerate([*points, points[-1]]):
                kind = 0 if place == 0 else 2 if place == len(points) else 1
                if touch:
                    name = ("touchStart", "touchMove", "touchEnd")[kind]
                    event = {"type": name, "touchPoints": [] if kind == 2 else [point]}
                    self.driver.execute_cdp_cmd("Input.dispatchTouchEvent", event)
                else:
                    name = ("mousePressed", "mouseMoved", "mouseReleased")[kind]
                    event = {"type": name, "button": "left", "buttons": 0 if kind == 2 else 1, "clickCount": 1, **point}
                    self.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)

    def predict(self, digit: str, *, touch: bool = False) -> str:
        """Draw a digit and have it predicted; the label."""
        if self.find("#clear").is_enabled():
            self.click("#clear")
        self.draw(DIGITS[digit], touch=touch)
        self.click("#predict")
        self.wait(lambda: self.find("#label").text != NONE)
        return self.find("#label").text

    def try_out(self) -> tuple[str, str]:
        """Open Swagger UI and have it send its example; the status and the body that it shows."""
        self.click("#reference > summary")
        for css in (".opblock-post .opblock-summary-control", ".try-out__btn", ".execute"):
            self.wait(lambda css=css: self.all(f"#swagger {css}"))
            self.click(f"#swagger {css}")
        answer = "#swagger .live-responses-table .response"
        self.wait(lambda: self.all(f"{answer} .highlight-code pre"))
        return self.find(f"{answer} .response-col_status").text, self.find(f"{answer} .highlight-code pre").text

    # what the browser noticed

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that the page asked, without those that hold their content themselves."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [each["params"] for each in messages if each["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent if not each["request"]["url"].startswith("data:")]

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(
            self.driver.execute_script("const e = document.documentElement; return e.scrollWidth - e.clientWidth")
        )
