"""A script that uses Flask's own helpers."""

import flask
from azureml_inference_server_http.api.aml_request import rawhttp


def init():
    pass


@rawhttp
def run(request):
    assert isinstance(request, flask.Request)
    return flask.jsonify(path=flask.request.path, same=flask.request.method == request.method)
