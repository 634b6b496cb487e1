"""The script under bare ASGI: what the fastest of Python's asynchronous servers can do with it."""

import json

import score

score.init()


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] != "/score":
        await answer(send, b"Healthy", b"text/html")
        return
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    result = score.run(b"".join(chunks).decode())
    await answer(send, json.dumps(result).encode(), b"application/json")


async def answer(send, body, content_type):
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
