"""Models and the import names of the SDK that scripts use."""

from __future__ import annotations

from typing import Any

from .case import Case, Matches, post


def model(name: str, asked: list[Any], path: str) -> Case:
    """``Model.get_model_path(*asked)``."""
    return post(name, asked, 200, Matches(path), app="imports")


CASES = [
    model("newest version", ["digits"], "/azureml-models/digits/10/model.txt$"),
    model("a version", ["digits", 2], "/azureml-models/digits/2/model.txt$"),
    model("a version as text", ["digits", "2"], "/azureml-models/digits/2/model.txt$"),
    model("a folder", ["letters"], "/azureml-models/letters/1/folder$"),
    model("a file by its path", ["x/y/imports.py"], "/x/y/imports.py$"),
    model("no such model", ["other"], "^ModelNotFound\\w+: Model 'other' is neither in .*\n(.*\n)*    digits/"),
    post("AMLResponse", "response", 202, {"a": 1}, headers={"x-mine": "yes"}, app="imports"),
]
