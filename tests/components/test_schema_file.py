"""The schema of a service: what it may be, and where the server looks for it."""

from pathlib import Path

import pytest

from components import schema_file
from components.problems import Problem


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('{"swagger": "2.0"}', "swagger2.json"),
        ('{"openapi": "3.0.1"}', "swagger3.json"),
        ('{"openapi": "3.1.0"}', "swagger3.1.json"),
        ('{"input": {"data": {"swagger": {"type": "array"}}}, "output": {}}', "service_schema.json"),
        ('{"output": {"type": "object"}}', "service_schema.json"),
    ],
)
def test_the_place_of_a_schema(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "schema").write_text(text)
    assert schema_file.place(tmp_path / "schema") == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "is neither: give a Swagger 2 or OpenAPI 3"),
        ("[1]", "is neither"),
        ('{"openapi": "4"}', "is neither"),
        ("{", "is not JSON"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_schema(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "schema").write_text(text)
    with pytest.raises(Problem, match=said):
        schema_file.place(tmp_path / "schema")
