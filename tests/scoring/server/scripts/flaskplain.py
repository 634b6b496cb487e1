"""A plain script that uses Flask's helpers, which it imports late."""


def init():
    pass


def run(raw_data):
    from flask import jsonify, request, url_for

    return jsonify(
        data=raw_data,
        header=request.headers.get("X-Mine"),
        endpoint=request.endpoint,
        blueprint=request.blueprint,
        view_args=request.view_args,
        url=url_for("main.handle_score"),
    )
