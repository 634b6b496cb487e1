"""``azureml_inference_server_http.log_config``, as users' ``logging.json`` files name it."""

import logging

from scoring_server.logs import UtcFormatter as AMLLogFormatter


class RootAccessFilter(logging.Filter):
    """Lets all pass but access lines of health checks, which this server does not write."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "GET / HTTP/1.1" not in record.getMessage()


__all__ = ["AMLLogFormatter", "RootAccessFilter"]
