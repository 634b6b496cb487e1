import pytest

from toolchain.docker_provider.container_rules import problems
from toolchain.docker_provider.values import UNKNOWN


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"restart": "sometimes"}, "allowed are no, on-failure, always, unless-stopped"),
        ({"cpus": "0"}, "positive number of CPUs"),
        ({"memory": -1}, "0 or more"),
        ({"memorySwap": -2}, "-1 or more"),
        ({"cpuSet": "first"}, "0-1 or 0,2"),
        ({"name": "/c"}, "a name of letters"),
        ({"gpus": "two"}, "'all' or 'device="),
        ({"command": ["a", ""]}, "empty string"),
        ({"healthcheck": {"tests": ["CMD"], "interval": "30"}}, "healthcheck.interval"),
        ({"healthcheck": {"tests": ["curl"]}}, "CMD-SHELL"),
        ({"envs": ["=x"]}, "NAME=VALUE"),
        ({"uploads": [{"file": "/x"}]}, "exactly one of content"),
        ({"uploads": [{"file": "/x", "content": "a", "source": "b"}]}, "exactly one of content"),
        ({"uploads": [{"file": "x", "content": "a"}]}, "absolute path"),
        ({"uploads": [{"file": "/x", "content": "a", "permissions": "rw"}]}, "octal"),
        ({"uploads": [{"file": "/x", "content": "a", "owner": "root"}]}, "a number"),
        ({"uploads": [{"file": "/x", "contentBase64": "?"}]}, "not base64"),
        ({"volumes": [{"volumeName": "v"}]}, "containerPath or fromContainer"),
        ({"volumes": [{"hostPath": "data", "containerPath": "/d"}]}, "not absolute"),
        ({"mounts": [{"type": "nfs", "target": "/d"}]}, "bind, volume, tmpfs"),
        ({"readOnly": True, "uploads": [{"file": "/x", "content": "a"}]}, "no uploads into a readOnly container"),
        ({"ports": [{"internal": 70000}]}, "0 to 65535"),
        ({"ports": [{"internal": 80, "protocol": "http"}]}, "tcp, udp, sctp"),
    ],
)
def test_says_what_is_allowed(inputs, message):
    (problem,) = problems(inputs).values()
    assert message in problem


@pytest.mark.parametrize(
    "inputs",
    [
        {
            "restart": "always",
            "cpus": "0.5",
            "memory": 0,
            "memorySwap": -1,
            "cpuSet": "0-1",
            "name": "conf-c",
            "gpus": "all",
        },
        {"restart": UNKNOWN, "cpus": UNKNOWN, "memory": UNKNOWN, "uploads": [{"file": UNKNOWN}]},
        {"uploads": [{"file": "/x", "content": ""}, {"file": "/y", "contentBase64": "AA==", "permissions": "0640"}]},
        {"volumes": [{"fromContainer": "c"}, {"containerPath": "/d"}], "healthcheck": {"tests": ["NONE"]}},
    ],
)
def test_lets_good_values_pass(inputs):
    assert problems(inputs) == {}
