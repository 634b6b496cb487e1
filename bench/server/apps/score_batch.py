"""The same script with one function more: what comes at the same time is predicted together."""

import json
import os

import joblib
import numpy as np


def init():
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "sklearn_mnist_model.pkl"))


def run(raw_data):
    return run_batch([raw_data])[0]


def run_batch(inputs):
    tables = [np.array(json.loads(raw_data)["data"]) for raw_data in inputs]
    y_hat = iter(model.predict(np.concatenate(tables)).tolist())
    return [[next(y_hat) for _ in range(len(table))] for table in tables]
