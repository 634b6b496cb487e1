"""The service's description, generated and given."""

from __future__ import annotations

from typing import Any

from .case import ANY, Case, Differs, Has, message

TYPE = {"content-type": "application/json"}
ANYTHING = {"type": "object", "example": {}}
SAMPLES = {"num": 3, "data": [[1.0, 2.0]], "table": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}
X = {"type": "integer", "format": "int64"}
TO_BE_SENT = "the test page and Swagger UI send the example, and run() fails with an empty text where it has none"
INPUT = Has(
    type="object",
    properties=Has(
        num={"type": "integer", "format": "int64"},
        data=Has(type="array", items={"type": "array", "items": {"type": "number", "format": "double"}}),
        table=Has(type="array", items=Has(type="object", properties=Has(a=ANY, b=ANY))),
        factor=ANY,
    ),
    example=Has(**SAMPLES),
)
OUTPUT = Has(type="object", properties={"sum": {"type": "number", "format": "double"}}, example={"sum": 1.0})
NESTED = Has(
    properties=Has(
        inputs=Has(
            type="object",
            properties=Has(
                image=Has(type="array"), rows=Has(type="array"), names=Has(type="array"), deep=Has(type="object")
            ),
        )
    )
)


def document(name: str, version: str, body: Any, app: str = "plain", **more: Any) -> Case:
    """A description is asked for; an empty version leaves it open."""
    query = f"?version={version}" if version else ""
    return Case(name, ("GET", f"/swagger.json{query}"), 200, body, headers=TYPE, app=app, **more)


def example(value: Any) -> Has:
    """A description of version 2 with this example of the input."""
    return Has(definitions=Has(ServiceInput=Has(example=value)))


def two(service_input: Any, service_output: Any) -> Has:
    definitions = Has(ServiceInput=service_input, ServiceOutput=service_output, ErrorResponse=ANY)
    score = Has(
        operationId="RunMLService",
        parameters=[Has(name="serviceInputPayload", schema={"$ref": "#/definitions/ServiceInput"}, **{"in": "body"})],
        responses=Has(**{"200": Has(schema={"$ref": "#/definitions/ServiceOutput"}), "default": ANY}),
    )
    paths = Has(**{"/": Has(get=ANY), "/score": Has(post=score)})
    return Has(swagger="2.0", info=Has(title="ML service", version="1.0"), paths=paths, definitions=definitions)


def three(openapi: str, service_input: Any, service_output: Any) -> Has:
    schemas = Has(ServiceInput=service_input, ServiceOutput=service_output, ErrorResponse=ANY)
    reference = {"$ref": "#/components/schemas/ServiceInput"}
    score = Has(requestBody=Has(content={"application/json": {"schema": reference}}))
    paths = Has(**{"/": Has(get=ANY), "/score": Has(post=score)})
    return Has(openapi=openapi, paths=paths, components=Has(schemas=schemas))


def not_valid(version: str) -> dict[str, str]:
    return message(f"Swagger version [{version}] is not valid. Supported versions: [2, 3, 3.1].")


NOT_OF_NESTED = message(
    "Swagger version [2] is not supported for the scoring script. Supported swagger versions: [3, 3.1]."
)
CASES = [
    document("swagger", "", two(ANYTHING, ANYTHING)),
    document("swagger 2", "2", two(ANYTHING, ANYTHING)),
    document("swagger 2.0", "2.0", two(ANYTHING, ANYTHING)),
    document("swagger 3", "3", three("3.0.3", ANYTHING, ANYTHING)),
    document("swagger 3.0", "3.0", three("3.0.3", ANYTHING, ANYTHING)),
    document("swagger 3.1", "3.1", three("3.1.0", ANYTHING, ANYTHING)),
    Case("swagger 9", ("GET", "/swagger.json?version=9"), 404, not_valid("9")),
    Case("swagger of no version", ("GET", "/swagger.json?version="), 404, not_valid("")),
    document(
        "the example has the defaults of arguments",
        "2",
        example({**SAMPLES, "factor": 2}),
        "schema",
        differs=Differs(TO_BE_SENT, 200, example({**SAMPLES, "factor": ""})),
    ),
    document(
        "the example has no request_headers",
        "3",
        Has(components=Has(schemas=Has(ServiceInput=Has(example={"x": 1}, properties={"x": X})))),
        "schema with headers",
        differs=Differs(
            TO_BE_SENT,
            200,
            Has(
                components=Has(
                    schemas=Has(
                        ServiceInput=Has(
                            example={"x": 1, "request_headers": ""}, properties={"x": X, "request_headers": {}}
                        )
                    )
                )
            ),
        ),
    ),
    document("swagger 2 of schemas", "2", two(INPUT, OUTPUT), "schema"),
    document("swagger 3 of schemas", "3", three("3.0.3", INPUT, OUTPUT), "schema"),
    document("swagger 3.1 of schemas", "3.1", three("3.1.0", INPUT, OUTPUT), "schema"),
    document("swagger 3 of nested schemas", "3", three("3.0.3", NESTED, ANY), "nested"),
    document("user's swagger.json", "", {"mine": "first"}, "files"),
    document("user's swagger3.json", "3.0", {"mine": 3}, "files"),
    document("generated beside the user's", "3.1", Has(openapi="3.1.0"), "files"),
    document("user's swagger2.json", "2.0", {"mine": "2, alone"}, "schema with headers"),
    document("user's swagger3.1.json", "3.1", {"mine": 3.1}, "schema with headers"),
    document("generated between the user's", "3", Has(openapi="3.0.3"), "schema with headers"),
    Case("a version that the script's schemas do not have", ("GET", "/swagger.json"), 404, NOT_OF_NESTED, app="nested"),
    document("swagger of a raw script", "", two(ANYTHING, ANYTHING), "raw"),
]
