"""Which browser is taken, and what is said where there is none."""

import io
import os
from pathlib import Path

import pytest

from tests.toolchain.machines import ChosenMachine
from toolchain import apt, browser, cli
from toolchain.browser import Browser, ensure, find
from toolchain.console import Console
from toolchain.machine import Machine
from toolchain.step import StepError, Unavailable

CHROMIUM = "/usr/bin/chromium"
CHROME = "/opt/google-chrome"
DRIVER = "/usr/bin/chromedriver"
PROGRAMS = {"chromium": CHROMIUM, "chromedriver": DRIVER}
VERSIONS = {
    f"{CHROMIUM} --version": "Chromium 156.0.8078.79 built on Debian GNU/Linux 12 (bookworm)",
    f"{CHROME} --version": "Google Chrome 157.0.1.2",
    f"{DRIVER} --version": "ChromeDriver 156.0.8078.79 (a21ce95c)",
}
NEWER = {**VERSIONS, f"{DRIVER} --version": "ChromeDriver 157.0.1.2 (b)"}


def test_the_browser_is_the_one_that_the_driver_is_for() -> None:
    machine = ChosenMachine(programs={**PROGRAMS, "google-chrome": CHROME}, outputs=VERSIONS)
    assert find(machine) == Browser(Path(CHROMIUM), Path(DRIVER), 156)
    machine = ChosenMachine(programs={**PROGRAMS, "google-chrome": CHROME}, outputs=NEWER)
    assert find(machine) == Browser(Path(CHROME), Path(DRIVER), 157)


@pytest.mark.parametrize(
    ("programs", "outputs", "why"),
    [
        ({"chromium": CHROMIUM}, VERSIONS, "there is no chromedriver"),
        ({"chromedriver": DRIVER}, VERSIONS, "there is none of chromium, google-chrome"),
        (PROGRAMS, NEWER, "/usr/bin/chromium is 156, its driver 157"),
        (PROGRAMS, {f"{DRIVER} --version": "ChromeDriver 156.0"}, "/usr/bin/chromium --version failed"),
        (PROGRAMS, {f"{DRIVER} --version": "odd"}, "/usr/bin/chromedriver does not say its version"),
    ],
)
def test_what_is_there_and_does_not_do_is_told(programs: dict[str, str], outputs: dict[str, str], why: str) -> None:
    with pytest.raises(Unavailable, match=why):
        find(ChosenMachine(programs=programs, outputs=outputs))


@pytest.mark.parametrize(
    ("machine", "why"),
    [
        (ChosenMachine(root=True), "tried installing chromium and chromium-driver: this machine has no apt-get"),
        (ChosenMachine(programs={"apt-get": "/usr/bin/apt-get"}), "chromium-driver: it takes root"),
    ],
)
def test_without_root_or_apt_the_error_says_what_to_install(machine: Machine, why: str) -> None:
    with pytest.raises(StepError) as caught:
        ensure(machine, Console(io.StringIO(), {}))
    assert "tried the browser on PATH: there is no chromedriver" in str(caught.value)
    assert why in str(caught.value)
    assert browser.FIX in str(caught.value)


def test_it_is_installed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    programs: dict[str, str] = {"apt-get": "/usr/bin/apt-get"}
    machine = ChosenMachine(programs=programs, outputs=VERSIONS, root=True)
    installed = []

    def install(_: Machine, packages: tuple[str, ...]) -> None:
        installed.append(packages)
        programs.update(PROGRAMS)

    monkeypatch.setattr(apt, "install", install)
    said = io.StringIO()
    for _ in range(2):
        ensure(machine, Console(said, {}))
    assert installed == [browser.PACKAGES]
    assert "browser        made: Chromium 156, /usr/bin/chromium\n" in said.getvalue()
    assert said.getvalue().endswith("browser        found: Chromium 156, /usr/bin/chromium\n")


def test_the_verb_finds_this_machines_browser(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["browser"], os.environ) == 0
    assert "browser " in capsys.readouterr().out
