"""The script under bare WSGI: what the fastest of Python's synchronous servers can do with it."""

import json

import score

score.init()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/score":
        body = json.dumps(score.run(environ["wsgi.input"].read().decode())).encode()
        content_type = "application/json"
    else:
        body, content_type = b"Healthy", "text/html"
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]
