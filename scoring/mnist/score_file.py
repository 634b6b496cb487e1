"""Scoring script for the model file ``sklearn_mnist_model.pkl``: style 1.

Deployed from a file, a model is registered under the file's name. ``score.py`` says why there are two scripts.
"""

import json

import joblib
import numpy as np
from azureml.core.model import Model


def init():
    global model
    # retrieve the path to the model file using the model name
    model_path = Model.get_model_path("sklearn_mnist_model.pkl")
    model = joblib.load(model_path)


def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    # make prediction
    y_hat = model.predict(data)
    # any JSON-serializable value can be returned
    return y_hat.tolist()
