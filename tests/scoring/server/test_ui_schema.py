"""The test page of a script with the decorators of inference-schema, in Chromium: they are what fills it."""

from __future__ import annotations

import json

from .conftest import Start
from .page import Page, chromium

SAMPLE = {"num": 3, "data": [[1.0, 2.0]], "table": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}], "factor": 2}
ANSWER = {"num": 3, "shape": [1, 2], "columns": ["a", "b"], "sum": 6.0}


def test_the_page_is_filled_with_the_decorators_samples(serving: Start) -> None:
    server = serving("schema")
    assert not (server.root / "sample_input.json").exists()
    with chromium() as driver:
        page = Page(driver, server, "/ui")
        page.open()
        page.wait(lambda: page.input)
        filled = json.loads(page.input)
        assert filled == SAMPLE
        assert page.find("#sample").is_displayed()
        page.send()
        assert page.find("#status").text == "200 OK"
        assert json.loads(page.find("#body").text) == ANSWER
        page.type('{"num": 3}')
        page.send()
        assert page.find("#status").text.startswith("400 ")
        message = json.loads(page.find("#body").text)["message"]
        assert message == "A value is not provided for the 'data' parameter."
        page.click("#sample")
        assert json.loads(page.input) == filled
        refused = page.console()
        assert len(refused) == 1
        assert "400" in refused[0]
        status, body = page.try_out()
        assert status.startswith("200")
        assert json.loads(body) == ANSWER
        assert page.console() == []
