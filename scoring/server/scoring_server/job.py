"""What the pool and its links know of a request."""

from __future__ import annotations

from typing import Protocol

from .frames import Reply


class Job(Protocol):
    """A request on its way through a worker."""

    meta: bytes
    body: bytes
    number: int  # on the link that has it
    expires: float  # when it has waited for too long
    begun: bool  # a worker has had it in its hands
    gone: bool  # the caller has left
    streaming: bool  # START was received
    finished: bool  # it has its answer
    alone: bool  # not to be batched, nor to be sent behind others: it was in a batch that a worker did not survive
    failure: str | None  # why it failed, where that is known before the reply

    @property
    def unread(self) -> int:
        """Bytes that its caller has not taken yet."""

    def receive(self, reply: Reply) -> None:
        """Take one reply."""
