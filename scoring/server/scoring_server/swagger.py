"""The service's description as Swagger 2, OpenAPI 3.0 and 3.1: the user's files, else one made from the script."""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections.abc import Sequence
from typing import Any

from . import samples
from .logs import LOGGER
from .results import encode
from .script import Script, ScriptError, is_schema_decorated
from .settings import Settings

logger = logging.getLogger(LOGGER)

Document = dict[str, Any]

VERSIONS = ("2", "3", "3.1")
ALIASES = {"2": "2", "2.0": "2", "3": "3", "3.0": "3", "3.1": "3.1"}
_USER_FILES = {"2": ("swagger.json", "swagger2.json"), "3": ("swagger3.json",), "3.1": ("swagger3.1.json",)}
SCHEMA_FILE = "service_schema.json"
_ERROR = "The service failed to execute due to an error."


def documents(settings: Settings, script: Script) -> dict[str, Document]:
    """The document of each version that the script supports. Raises ScriptError for a user's file that is wrong."""
    supported, service_input, service_output = _schemas(settings, script)
    found: dict[str, Document] = {}
    for version in VERSIONS:
        document = _user_document(settings.app_root, _USER_FILES[version])
        if document is None and version in supported:
            make = swagger2 if version == "2" else openapi
            document = make(settings, service_input, service_output)
            if version == "3.1":
                document["openapi"] = "3.1.0"
        if document is not None:
            found[version] = document
    logger.info("Swaggers are prepared for the following versions: [%s].", ", ".join(found))
    return found


def not_found_message(version: str, available: list[str]) -> str:
    """Why there is no document of `version`."""
    listed = ", ".join(sorted(available))
    if version in ALIASES:
        return (
            f"Swagger version [{version}] is not supported for the scoring script. "
            f"Supported swagger versions: [{listed}]."
        )
    return f"Swagger version [{version}] is not valid. Supported versions: [{listed}]."


def _schemas(settings: Settings, script: Script) -> tuple[set[str], Document, Document]:
    """(versions, input schema, output schema) of run()."""
    if not is_schema_decorated(script.run):
        given = _given_schemas(settings.app_root)
        described = [
            _described(samples.read(settings, name), given.get(part))
            for part, name in (("input", samples.INPUT), ("output", samples.OUTPUT))
        ]
        return set(VERSIONS), described[0], described[1]
    from inference_schema import schema_util

    supported = {ALIASES[version] for version in schema_util.get_supported_versions(script.run) if version in ALIASES}
    service_input = with_defaults(schema_util.get_input_schema(script.run), script.parameters)
    return supported, service_input, schema_util.get_output_schema(script.run)


def with_defaults(schema: Document, parameters: Sequence[inspect.Parameter]) -> Document:
    """The input's schema as inference-schema has it, with an example that run() can take.

    For arguments without a decorator, there is "" in it: their default takes its place, where JSON has it, else they
    are left out. So are `request_headers`, which are no part of a body.
    """
    properties, example = dict(schema.get("properties", {})), schema.get("example")
    if not isinstance(example, dict):
        return schema
    example = dict(example)
    if properties.get("request_headers") == {}:
        del properties["request_headers"]
        example.pop("request_headers", None)
    for name, default in ((parameter.name, parameter.default) for parameter in parameters):
        if properties.get(name) == {} and default is not inspect.Parameter.empty:
            try:
                example[name] = json.loads(encode(default))
            except (TypeError, ValueError):
                example.pop(name, None)
    return {**schema, "properties": properties, "example": example}


def _described(example: object, schema: Document | None = None) -> Document:
    if schema:
        return {"example": example, **schema} if example != {} else schema
    return {"type": "object", "example": example} if isinstance(example, dict) else {"example": example}


def _given_schemas(root: str) -> dict[str, Document]:
    """The schemas of `input` and `output` in the user's schema file, also as Azure ML's generate_schema has them."""
    content = _user_document(root, (SCHEMA_FILE,)) or {}
    return {part: _plain(content[part]) for part in ("input", "output") if isinstance(content.get(part), dict)}


def _plain(part: Document) -> Document:
    if isinstance(part.get("swagger"), dict):
        return dict(part["swagger"])
    if part and all(isinstance(value, dict) and isinstance(value.get("swagger"), dict) for value in part.values()):
        return {"type": "object", "properties": {name: value["swagger"] for name, value in part.items()}}
    return part


def _user_document(root: str, names: tuple[str, ...]) -> Document | None:
    for path in (os.path.join(root, name) for name in names):
        if os.path.isfile(path):
            try:
                with open(path, encoding="utf-8-sig") as file:
                    document: Document = json.load(file)
            except (OSError, ValueError) as error:
                raise ScriptError(f"{path} cannot be read as JSON: {error}. Correct or remove it.") from None
            if not isinstance(document, dict):
                raise ScriptError(f"{path} holds no JSON object. Correct or remove it.")
            logger.info("Loaded user's swagger file from %s", path)
            return document
    return None


def swagger2(settings: Settings, service_input: Document, service_output: Document) -> Document:
    """The Swagger 2.0 document."""

    def answers(description: str, schema: Document, **more: object) -> Document:
        return {
            "200": {"description": description, "schema": schema, **more},
            "default": {"description": _ERROR, "schema": {"$ref": "#/definitions/ErrorResponse"}},
        }

    text = {"type": "string"}
    version = {"name": "version", "in": "query", "required": False, "type": "string", "enum": list(ALIASES)}
    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": "The input of the model.",
        "schema": {"$ref": "#/definitions/ServiceInput"},
    }
    return {
        "swagger": "2.0",
        "info": _info(settings),
        "schemes": ["https", "http"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": {
            f"{settings.path_prefix}/": {
                "get": {
                    **_HEALTH,
                    "produces": ["text/html"],
                    "responses": answers("Up and ready.", text, examples={"text/html": "Healthy"}),
                }
            },
            f"{settings.path_prefix}/score": {
                "post": {
                    **_SCORE,
                    "security": [{"Bearer": []}],
                    "parameters": [payload],
                    "responses": answers("The result of run().", {"$ref": "#/definitions/ServiceOutput"}),
                }
            },
            f"{settings.path_prefix}/swagger.json": {
                "get": {**_SWAGGER, "parameters": [version], "responses": answers("The document.", {"type": "object"})}
            },
        },
        "definitions": _definitions(service_input, service_output),
    }


def openapi(settings: Settings, service_input: Document, service_output: Document) -> Document:
    """The OpenAPI 3.0 document."""

    def content(schema: Document, media_type: str = "application/json") -> Document:
        return {"content": {media_type: {"schema": schema}}}

    def answers(description: str, schema: Document, media_type: str = "application/json") -> Document:
        error = content({"$ref": "#/components/schemas/ErrorResponse"})
        return {
            "200": {"description": description, **content(schema, media_type)},
            "default": {"description": _ERROR, **error},
        }

    version = {"name": "version", "in": "query", "required": False, "schema": {"type": "string", "enum": list(ALIASES)}}
    payload = {"description": "The input of the model.", **content({"$ref": "#/components/schemas/ServiceInput"})}
    health = answers("Up and ready.", {"type": "string", "example": "Healthy"}, "text/html")
    return {
        "openapi": "3.0.3",
        "info": _info(settings),
        "paths": {
            f"{settings.path_prefix}/": {"get": {**_HEALTH, "responses": health}},
            f"{settings.path_prefix}/score": {
                "post": {
                    **_SCORE,
                    "security": [{"Bearer": []}],
                    "requestBody": payload,
                    "responses": answers("The result of run().", {"$ref": "#/components/schemas/ServiceOutput"}),
                }
            },
            f"{settings.path_prefix}/swagger.json": {
                "get": {**_SWAGGER, "parameters": [version], "responses": answers("The document.", {"type": "object"})}
            },
        },
        "components": {
            "schemas": _definitions(service_input, service_output),
            "securitySchemes": {"Bearer": _BEARER},
        },
    }


_BEARER = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "For example: Bearer abc123"}
_HEALTH = {"operationId": "ServiceHealthCheck", "description": "Whether the service is ready to answer."}
_SCORE = {"operationId": "RunMLService", "description": "Give an input to the model and get its output."}
_SWAGGER = {"operationId": "GetSwaggerSpec", "description": "Get this document."}


def _info(settings: Settings) -> Document:
    return {
        "title": settings.service_name,
        "description": f"API specification for the Azure Machine Learning service {settings.service_name}",
        "version": settings.service_version,
    }


def _definitions(service_input: Document, service_output: Document) -> Document:
    error = {"type": "object", "properties": {"message": {"type": "string"}}}
    return {"ServiceInput": service_input, "ServiceOutput": service_output, "ErrorResponse": error}
