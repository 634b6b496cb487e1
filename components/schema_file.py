"""The schema of a service (`schema_file`): a whole description, or the schemas of its input and output.

Azure ML's `schema_file`, as its `generate_schema` writes it, has `input` and `output`; `swagger` in them is the schema.
"""

import json
from pathlib import Path
from typing import Any

from components.problems import Problem

SCHEMA = "service_schema.json"
"""The name in the image of a file with the schemas of input and output."""

KINDS = "a Swagger 2 or OpenAPI 3 document, or an object with the JSON schemas 'input' and 'output'"


def place(path: Path) -> str:
    """Return the name that a schema file gets in the application's folder, where the server looks for it.

    Raises:
        Problem: the file is missing, not JSON, or of another kind.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except OSError as error:
        raise Problem(f"schemaFile {str(path)!r} cannot be read: {error.strerror}. Give a JSON file.") from None
    except ValueError as error:
        raise Problem(f"schemaFile {str(path)!r} is not JSON ({error}): give {KINDS}.") from None
    if isinstance(content, dict):
        if str(content.get("swagger", "")).startswith("2."):
            return "swagger2.json"
        version = str(content.get("openapi", ""))
        if version.startswith("3."):
            return "swagger3.1.json" if version.startswith("3.1") else "swagger3.json"
        if any(isinstance(content.get(key), dict) for key in ("input", "output")):
            return SCHEMA
    raise Problem(f"schemaFile {str(path)!r} is neither: give {KINDS}.")
