"""Serves an entry script with ``init()`` and ``run()`` over HTTP, as Azure ML's web services do.

Two kinds of process: the *front* speaks HTTP and never runs user code, so that health, limits and time-outs hold
whatever a script does; *workers* hold the model and run the script in their main thread. A socket pair with
length-prefixed frames joins them.
"""

__version__ = "0.1.0"
