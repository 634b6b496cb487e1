"""``azureml.core.model``, as far as scoring scripts use it."""

from __future__ import annotations

from scoring_server.models import ModelNotFoundError, get_model_path


class Model:
    """A model in the container."""

    @staticmethod
    def get_model_path(model_name: str, version: int | str | None = None, _workspace: object = None) -> str:
        """The path of a model's file or folder; see ``scoring_server.models.get_model_path``."""
        return get_model_path(model_name, version)


ModelNotFoundException = ModelNotFoundError

__all__ = ["Model", "ModelNotFoundException"]
