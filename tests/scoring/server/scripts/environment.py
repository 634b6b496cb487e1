"""A nested script that tells what it is given: modules around it, variables, headers."""

import os
import time

import from_root
import sibling


def init():
    assert sibling.VALUE
    assert from_root


def run(data, request_headers):
    if data == "sleep":
        time.sleep(5)
    return {
        "data": data,
        "headers": request_headers,
        "model_dir": os.environ["AZUREML_MODEL_DIR"],
        "pid": os.getpid(),
    }
