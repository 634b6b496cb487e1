"""What run() returns, as the body of an answer."""

from __future__ import annotations

from .case import ABSENT, FAILED, INTERNAL, MILLISECONDS, NOT_FAILED, Case, Differs, message, result

TYPE = {"content-type": "application/json"}
NUMPY = "__import__('numpy')"
PANDAS = "__import__('pandas')"
NO_JSON = "callers could not read it"
NAN = message(
    "run() returned NaN or Infinity, which JSON does not have. "
    "Return other values, or set SCORING_NAN_AS_NULL=true to have them sent as null."
)
SECOND, MINUTE = "2024-05-01T02:03:04", "2024-05-01T02:03"
TIMES = (
    ("numpy day", f"{NUMPY}.datetime64('2024-05-01')", "2024-05-01"),
    ("numpy time", f"[{NUMPY}.datetime64('{SECOND}', 'ns')]", [f"{SECOND}.000000000"]),
    ("numpy times", f"{NUMPY}.array([['{MINUTE}', 'NaT']], 'datetime64[m]')", [[MINUTE, None]]),
    ("numpy duration", f"{NUMPY}.timedelta64(90, 'm')", "PT90M"),
    ("numpy durations", f"{NUMPY}.array([1500, -20], 'timedelta64[ms]')", ["PT1.5S", "-PT0.02S"]),
    ("pandas time", f"{PANDAS}.Timestamp('{SECOND}')", SECOND),
    ("pandas time with a zone", f"{PANDAS}.Timestamp('{SECOND}', tz='Europe/Berlin')", f"{SECOND}+02:00"),
    ("pandas duration", f"{PANDAS}.Timedelta('1h')", "PT3600S"),
    ("pandas times", f"{PANDAS}.Series({PANDAS}.to_datetime(['2024-05-01', None]))", ["2024-05-01T00:00:00", None]),
    ("missing values of pandas", f"[{PANDAS}.NaT, {PANDAS}.NA]", [None, None]),
    (
        "pandas table of times",
        f"{PANDAS}.DataFrame({{'t': [{PANDAS}.Timestamp('{SECOND}')], 'd': [{PANDAS}.Timedelta('1s')]}})",
        [{"t": SECOND, "d": "PT1S"}],
    ),
    ("times as keys", f"{{{PANDAS}.Timestamp('{SECOND}'): {NUMPY}.int8(1)}}", {SECOND: 1}),
)

CASES = [
    result("text is encoded again", "json.dumps([7])", 200, "[7]", headers=TYPE),
    result("None", "None", 200, b"{}", headers=TYPE),
    result("tuple", "(1, 2)", 200, b"[1, 2]"),
    result("number", "1.5", 200, b"1.5"),
    result("true", "True", 200, b"true"),
    result("escapes", "'\\u00e4\\U0001f600'", 200, b'"\\u00e4\\ud83d\\ude00"'),
    result("order and spaces", "{'b': 1, 'a': [1,2]}", 200, b'{"b": 1, "a": [1, 2]}'),
    result("keys become text", "{1: 2, True: 3, None: 4}", 200, b'{"1": 3, "null": 4}'),
    result("NaN as a key", "{float('nan'): 1, -float('inf'): 2}", 200, b'{"NaN": 1, "-Infinity": 2}'),
    result("an integer that is not written", "10**5000", 500, message(INTERNAL), log=("Exceeds the limit",)),
    result("large integer", "2**70", 200, b"1180591620717411303424"),
    result("headers of success", "1", 200, 1, headers={"x-ms-run-fn-exec-ms": MILLISECONDS, **NOT_FAILED}),
    result(
        "headers of failure", "1/0", 500, headers={"x-ms-run-fn-exec-ms": ABSENT, **FAILED}, log=("ZeroDivisionError",)
    ),
    result("set", "{1}", 500, message(INTERNAL), headers={**NOT_FAILED, "x-ms-run-fn-exec-ms": ABSENT}),
    result("bytes", "b'1'", 500, message(INTERNAL), headers=NOT_FAILED),
    result(
        "numpy values",
        f"[{NUMPY}.float32(0.5), {NUMPY}.arange(2), {NUMPY}.bool_(1)]",
        200,
        [0.5, [0, 1], True],
        differs=Differs("what models return is mostly numpy's", 500, message(INTERNAL)),
    ),
    result(
        "numpy keys",
        f"{{{NUMPY}.int64(3): {NUMPY}.int64(4)}}",
        200,
        {"3": 4},
        differs=Differs("as with values", 500, message(INTERNAL)),
    ),
    *(
        result(name, expression, 200, body, differs=Differs("as with other values", 500, message(INTERNAL)))
        for name, expression, body in TIMES
    ),
    *(
        result(name, expression, 500, message(INTERNAL), headers=NOT_FAILED)
        for name, expression in (
            ("numpy bytes", f"{NUMPY}.bytes_(b'1')"),
            ("an array of bytes", f"[{NUMPY}.array([b'1'])]"),
            ("a bytearray", "bytearray(b'1')"),
        )
    ),
    result(
        "pandas table",
        "__import__('pandas').DataFrame({'a': [1, 2]})",
        200,
        [{"a": 1}, {"a": 2}],
        differs=Differs("as with numpy", 500, message(INTERNAL)),
    ),
    result("NaN", "float('nan')", 500, NAN, headers=FAILED, differs=Differs(NO_JSON, 200, b"NaN")),
    result(
        "Infinity",
        "[1, {'a': -float('inf')}]",
        500,
        NAN,
        headers=FAILED,
        differs=Differs(NO_JSON, 200, b'[1, {"a": -Infinity}]'),
    ),
    Case(
        "access line",
        ("POST", "/score?a=%0A"),
        200,
        1,
        send="1",
        log=(
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} I \[\d+\] azmlinfsrv - POST /score\?a=%0A 200 \d+\.\d{3}ms 1$",
            r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} I \[\d+\] azmlinfsrv\.print - run with 1 characters$",
        ),
    ),
    Case(
        "access line of an error", ("POST", "/score"), 400, send=b"\xff", log=(r"- POST /score 400 \d+\.\d{3}ms \d+$",)
    ),
    Case("access line of swagger", ("GET", "/swagger.json"), 200, log=(r"- GET /swagger.json 200 \d+\.\d{3}ms \d+$",)),
    Case("no access line of health", ("GET", "/"), 200, no_log=(r"- GET / ",)),
]
