"""A script whose input nests parameter types."""

import numpy as np
import pandas as pd
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema


def init():
    pass


NESTED = {
    "name": StandardPythonParameterType("x"),
    "rows": NumpyParameterType(np.array([[1, 2]])),
    "table": PandasParameterType(pd.DataFrame({"a": [1.5]})),
}


@input_schema("inputs", StandardPythonParameterType(NESTED))
@input_schema("flags", StandardPythonParameterType([True]))
@output_schema(StandardPythonParameterType({"rows": 1}))
def run(inputs, flags):
    return {"rows": len(inputs["rows"]), "table": len(inputs["table"]), "name": inputs["name"], "flags": flags}
