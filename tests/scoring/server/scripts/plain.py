"""A plain script that does what the request asks for."""

import json
import os
import sys
import time

import sibling


def init():
    global ready
    ready = sibling.VALUE


def run(raw_data):
    print("run with", len(raw_data), "characters")
    try:
        request = json.loads(raw_data)
    except ValueError:
        return raw_data
    action = request.get("do") if isinstance(request, dict) else None
    if action == "raise":
        raise ValueError("secret detail")
    if action == "exit":
        sys.exit(4)
    if action == "die":
        os._exit(5)
    if action == "abort":
        os.abort()
    if action == "sleep":
        time.sleep(request["seconds"])
    if action == "value":
        return eval(request["expression"])
    if action == "pid":
        return os.getpid()
    return request
