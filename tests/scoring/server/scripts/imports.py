"""The import names that Azure ML's scripts have used over the years, a sibling of a nested script, several models."""

import json

import joblib
import sibling
import sklearn.externals.joblib as older
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse
from azureml.core import Model as SameModel
from azureml.core.model import Model
from azureml_inference_server_http.api.aml_request import AMLRequest as SameRequest
from azureml_inference_server_http.api.aml_request import rawhttp as same_rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse as SameResponse
from inference_schema.schema_decorators import input_schema, output_schema
from sklearn.externals import joblib as old


def init():
    assert sibling.VALUE
    assert old is joblib
    assert older is joblib
    assert SameModel is Model
    assert (SameRequest, same_rawhttp, SameResponse) == (AMLRequest, rawhttp, AMLResponse)
    assert input_schema
    assert output_schema


def run(raw_data):
    asked = json.loads(raw_data)
    if asked == "response":
        return AMLResponse({"a": 1}, 202, {"X-Mine": "yes"}, json_str=True)
    try:
        return Model.get_model_path(*asked)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
