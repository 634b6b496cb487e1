"""A script that takes and gives HTTP itself."""

import json
import time

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init():
    pass


@rawhttp
def run(request):
    action = request.args.get("do", "")
    if action == "binary":
        return AMLResponse(request.get_data()[::-1], 200, {"Content-Type": "application/octet-stream"})
    if action == "status":
        return AMLResponse("teapot", int(request.args["code"]))
    if action == "json":
        return AMLResponse({"a": [1]}, 201, {"X-Mine": "one, two"}, json_str=True)
    if action == "none":
        return AMLResponse(None, 200)
    if action == "failed":
        return AMLResponse("bad", 200, run_function_failed=True)
    if action == "ids":
        return AMLResponse("ok", 200, {"x-request-id": "mine", "x-ms-request-id": "a", "x-ms-client-request-id": "b"})
    if action == "body":
        return {
            "body": request.data.decode(),
            "is_json": request.is_json,
            "json": request.get_json(silent=True),
        }
    if action == "override":
        return AMLResponse("ok", 200, {"x-request-id": "mine", "Content-Length": "999", "Connection": "upgrade"})
    if action == "inject":
        return AMLResponse("ok", 200, {"X-A\r\nX-B": "1"})
    if action == "stream":
        return AMLResponse((f"part {number}\n" for number in range(3)), 200, {"Content-Type": "text/plain"})
    if action == "endless":
        return AMLResponse(endless(), 200)
    if action == "breaks":
        return AMLResponse(breaks(), 200)
    if action == "number":
        return AMLResponse(5, 200)
    if action == "never":
        return AMLResponse(never(), 200)
    if action == "endpoint":
        return [request.endpoint, request.blueprint, request.view_args]
    if action == "closed":
        return closed
    if action == "form":
        return {
            "form": request.form.to_dict(),
            "files": {key: file.read().decode() for key, file in request.files.items()},
        }
    return {
        "method": request.method,
        "path": request.path,
        "args": request.args.to_dict(flat=False),
        "header": request.headers.get("X-Mine"),
        "body": request.get_data(as_text=True),
        "is_json": request.is_json,
        "url": request.url,
        "remote": request.remote_addr,
        "type": isinstance(request, AMLRequest),
    }


closed = []


def endless():
    try:
        while True:
            yield "x" * 1000
            time.sleep(0.001)
    finally:
        closed.append(True)


def never():
    raise ValueError("secret detail")
    yield


def breaks():
    yield json.dumps("first")
    raise ValueError("secret detail")
