"""A script with schemas for its input and output."""

import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


@input_schema("table", PandasParameterType(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})))
@input_schema("data", NumpyParameterType(np.array([[1.0, 2.0]])))
@input_schema("num", StandardPythonParameterType(3))
@output_schema(StandardPythonParameterType({"sum": 1.0}))
def run(num, data, table, factor=2):
    return {"num": num, "shape": list(data.shape), "columns": list(table.columns), "sum": data.sum() * factor}
