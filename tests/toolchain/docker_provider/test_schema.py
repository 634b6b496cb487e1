import pytest

from toolchain.docker_provider.container_schema import SCHEMA
from toolchain.docker_provider.schema import Change, Field, changes, equal, problems, with_defaults
from toolchain.docker_provider.values import UNKNOWN

UPDATE, REPLACE = Change("update", False), Change("update", True)
BASE = {"image": "i", "name": "n"}
STATE = {**with_defaults(SCHEMA, BASE), "cpus": "1.0", "memory": 256, "memorySwap": 512, "envs": ["A=1", "B=2"]}
INPUTS = {**BASE, "cpus": "1.0", "memory": 256, "memorySwap": 512, "envs": ["A=1", "B=2"]}


def without(properties, name):
    return {key: value for key, value in properties.items() if key != name}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (INPUTS, {}),
        ({**INPUTS, "envs": ["B=2", "A=1"]}, {}),
        ({**INPUTS, "cpus": "1"}, {"cpus": REPLACE}),
        ({**INPUTS, "envs": ["A=2"]}, {"envs": REPLACE}),
        (without(INPUTS, "envs"), {}),
        (without(INPUTS, "cpus"), {"cpus": Change("delete", True)}),
        (without(INPUTS, "memorySwap"), {"memorySwap": Change("delete", False)}),
        ({**INPUTS, "memory": 300}, {"memory": UPDATE}),
        ({**INPUTS, "restart": "always"}, {"restart": UPDATE}),
        ({**INPUTS, "waitTimeout": 31}, {"waitTimeout": UPDATE}),
        ({**INPUTS, "image": "j"}, {"image": REPLACE}),
        ({**INPUTS, "image": UNKNOWN}, {"image": REPLACE}),
        ({**INPUTS, "labels": [{"label": "x", "value": "1"}]}, {"labels": Change("add", True)}),
        ({**INPUTS, "readOnly": True}, {"readOnly": REPLACE}),
        ({**INPUTS, "healthcheck": {"tests": ["CMD", "true"]}}, {"healthcheck": Change("add", False)}),
    ],
)
def test_compares_state_and_inputs_as_recorded(inputs, expected):
    assert changes(SCHEMA, STATE, inputs) == expected


def test_a_container_stopped_outside_is_to_be_started():
    assert changes(SCHEMA, {**STATE, "mustRun": False}, INPUTS) == {"mustRun": UPDATE}


def test_entries_of_the_engine_are_not_compared():
    assert changes(SCHEMA, {**STATE, "__meta": "{}", "exitCode": 3}, {**INPUTS, "__defaults": ["name"]}) == {}


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"internal": 80}, True),
        ({"internal": 80, "external": 32768}, True),
        ({"internal": 80, "external": 80}, False),
        ({"internal": 81}, False),
        ({"internal": 80, "ip": "127.0.0.1"}, False),
        ({"internal": 80, "protocol": "udp"}, False),
    ],
)
def test_a_port_that_docker_chose_is_no_difference(given, same):
    state = [{"internal": 80, "external": 32768, "ip": "0.0.0.0", "protocol": "tcp"}]
    assert equal(SCHEMA["ports"], state, [given]) is same


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("healthcheck", {"tests": ["CMD", "x"], "interval": "1m0s"}, {"tests": ["CMD", "x"], "interval": "60s"}),
        ("capabilities", {"drops": ["CAP_NET_RAW"]}, {"drops": ["net_raw"]}),
        ("securityOpts", ["a", "b"], ["b", "a"]),
        ("memory", 0, None),
        ("privileged", False, None),
        ("logOpts", {"max-file": "3"}, {"max-file": 3}),
        ("uploads", [{"file": "/x", "content": "1", "executable": False}], [{"file": "/x", "content": "1"}]),
    ],
)
def test_values_that_mean_the_same_are_equal(name, old, new):
    assert equal(SCHEMA[name], old, new)


def test_defaults_are_filled_in_inside_objects():
    filled = with_defaults(SCHEMA, {"ports": [{"internal": 1}], "healthcheck": {"tests": ["NONE"]}})
    assert filled["ports"] == [{"internal": 1, "ip": "0.0.0.0", "protocol": "tcp"}]
    assert filled["healthcheck"]["startInterval"] == "0s"
    assert (filled["mustRun"], filled["waitTimeout"], filled["networkMode"]) == (True, 60, "bridge")


@pytest.mark.parametrize(
    ("inputs", "path", "message"),
    [
        ({}, "image", "is required"),
        ({"image": "i", "imagee": "x"}, "imagee", "not supported by this stand-in"),
        ({"image": "i", "exitCode": 1}, "exitCode", "not supported"),
        ({"image": "i", "memory": "much"}, "memory", "is of type str, expected int"),
        ({"image": "i", "memory": True}, "memory", "is of type bool, expected int"),
        ({"image": "i", "memory": 1.5}, "memory", "is of type float, expected int"),
        ({"image": "i", "envs": [1]}, "envs[0]", "is of type int, expected string"),
        ({"image": "i", "ports": [{"external": 1}]}, "ports[0].internal", "is required"),
        (
            {"image": "i", "networksAdvanced": [{"name": "n", "gwPriority": 1}]},
            "networksAdvanced[0].gwPriority",
            "support",
        ),
    ],
)
def test_names_what_is_wrong_with_inputs(inputs, path, message):
    assert message in problems(SCHEMA, inputs)[path]


def test_a_wrong_kind_does_not_print_the_value():
    assert "hunter2" not in str(problems(SCHEMA, {"image": "i", "envs": "PASSWORD=hunter2"}))


def test_unknown_values_are_not_judged():
    assert (
        problems(SCHEMA, {"image": UNKNOWN, "memory": UNKNOWN, "ports": [{"internal": UNKNOWN}], "labels": UNKNOWN})
        == {}
    )


def test_lists_of_different_length_differ():
    assert not equal(Field("list"), ["a"], ["a", "b"])
