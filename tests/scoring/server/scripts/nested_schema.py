"""A schema whose parts are objects and lists of arrays and tables, and one that only OpenAPI 3 can tell."""

import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

NESTED = StandardPythonParameterType(
    {
        "image": NumpyParameterType(np.array([[1, 2]])),
        "rows": PandasParameterType(pd.DataFrame({"a": [1.5]})),
        "names": StandardPythonParameterType(["x", 1]),
        "deep": StandardPythonParameterType({"again": NumpyParameterType(np.array([1.0]))}),
    }
)


def init():
    pass


@input_schema("inputs", NESTED)
@output_schema(NESTED)
def run(inputs):
    return {
        "image": type(inputs["image"]).__name__,
        "rows": type(inputs["rows"]).__name__,
        "names": inputs["names"],
        "deep": type(inputs["deep"]["again"]).__name__,
    }
