"""``azureml.contrib.services.aml_request``."""

from scoring_server.aml import AMLRequest, rawhttp

__all__ = ["AMLRequest", "rawhttp"]
