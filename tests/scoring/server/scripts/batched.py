"""A script that answers requests together, and does what they ask for."""

import json
import os
import time
from pathlib import Path

from azureml.contrib.services.aml_response import AMLResponse


def init():
    pass


def run_batch(inputs):
    requests = [json.loads(each) for each in inputs]
    print("call of", len(inputs))
    apart = [request["seconds"] for request in requests if request.get("apart")]
    if apart and len(inputs) > 1:
        time.sleep(max(apart))
        raise ValueError("not together")
    return [answer(request, len(inputs)) for request in requests]


def answer(request, size):
    action = request.get("do")
    if action == "gate":
        while not Path(request["path"]).exists():
            time.sleep(0.005)
    elif action == "raise":
        raise ValueError("secret detail")
    elif action == "exit":
        raise SystemExit(3)
    elif action == "return an error":
        return ValueError("secret detail")
    elif action == "die":
        os._exit(5)
    elif action == "hang":
        time.sleep(3600)
    elif action == "sleep":
        time.sleep(request["seconds"])
    elif action == "unencodable":
        return {1, 2}
    elif action == "respond":
        return AMLResponse(f"{request['n']} of {size}", 201, {"x-own": "yes"})
    return {"n": request.get("n"), "of": size}
