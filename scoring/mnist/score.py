"""Scoring script for the registered model ``sklearn_mnist``: styles 2 and 3.

A script asks for its model by the name under which it was registered. Deployed from a registered model or from an image
that is ``sklearn_mnist``; deployed from a model file it is the file's name, which is why ``score_file.py`` is the same
script with another ``init``, as Azure ML's documentation of 2018 has it. One script for both would have to look past
``Model.get_model_path`` at the folder in ``AZUREML_MODEL_DIR``, an idiom of later years.
"""

import json

import joblib
import numpy as np
from azureml.core.model import Model


def init():
    global model
    # retrieve the path to the model file using the model name
    model_path = Model.get_model_path("sklearn_mnist")
    model = joblib.load(model_path)


def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    # make prediction
    y_hat = model.predict(data)
    # any JSON-serializable value can be returned
    return y_hat.tolist()
