"""``azureml.contrib.services.aml_response``."""

from scoring_server.aml import AMLResponse

__all__ = ["AMLResponse"]
