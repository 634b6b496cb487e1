"""``azureml_inference_server_http.api.aml_response``."""

from scoring_server.aml import AMLResponse

__all__ = ["AMLResponse"]
