"""Twenty milliseconds of one CPU a request, so that neither HTTP nor the load generator counts."""

import json
import os

import joblib
import numpy as np


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "sklearn_mnist_model.pkl"))


def run(raw_data):
    data = np.array(json.loads(raw_data)["data"])
    for _ in range(200):
        y_hat = model.predict(data)
    return y_hat.tolist()
