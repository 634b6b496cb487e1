"""``azureml.core``, as far as scoring scripts use it."""

from azureml.core.model import Model

__all__ = ["Model"]
