"""The HTTP contract as a table, by theme: requests to applications, and the answers that they must get."""

from . import headers, inputs, modules, raw_http, results, routes, schemas, settings, swagger
from .case import Case

CASES: list[Case] = [
    *routes.CASES,
    *inputs.CASES,
    *results.CASES,
    *headers.CASES,
    *raw_http.CASES,
    *schemas.CASES,
    *swagger.CASES,
    *modules.CASES,
    *settings.CASES,
]

__all__ = ["CASES"]
