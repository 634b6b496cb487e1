import copy

import pytest

from toolchain.docker_provider import container_state
from toolchain.docker_provider.container_schema import SCHEMA
from toolchain.docker_provider.schema import changes, with_defaults

SEEN = {
    "Id": "c0ffee",
    "Name": "/n",
    "Platform": "linux",
    "State": {"Running": True, "ExitCode": 0},
    "Config": {
        "Image": "i",
        "Hostname": "c0ffee",
        "Domainname": "",
        "Cmd": ["serve"],
        "Entrypoint": None,
        "User": "",
        "Tty": False,
        "OpenStdin": False,
        "WorkingDir": "",
        "Env": ["PATH=/bin"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 10**9, "Timeout": 2 * 10**9, "Retries": 2},
    },
    "HostConfig": {
        "Memory": 256 * 2**20,
        "MemorySwap": 512 * 2**20,
        "NanoCpus": 10**9,
        "ShmSize": 64 * 2**20,
        "NetworkMode": "bridge",
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "LogConfig": {"Type": "json-file", "Config": {}},
        "Privileged": False,
        "PublishAllPorts": False,
        "ReadonlyRootfs": False,
        "AutoRemove": False,
        "SecurityOpt": None,
        "Init": None,
        "IpcMode": "private",
        "Runtime": "runc",
    },
    "NetworkSettings": {
        "Bridge": "",
        "Ports": {
            "8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "32768"}, {"HostIp": "::", "HostPort": "32768"}],
            "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
            "9000/tcp": None,
        },
        "Networks": {
            "bridge": {"IPAddress": "172.17.0.2", "IPPrefixLen": 16, "Gateway": "172.17.0.1", "MacAddress": "02:42"}
        },
    },
}
INPUTS = {
    "image": "i",
    "name": "n",
    "cpus": "1.0",
    "memory": 256,
    "memorySwap": 512,
    "ports": [{"internal": 8000}, {"internal": 53, "protocol": "udp", "ip": "127.0.0.1", "external": 53}],
    "healthcheck": {"tests": ["CMD", "true"], "interval": "1s", "timeout": "2s", "retries": 2},
}


def seen(**state):
    return {**copy.deepcopy(SEEN), "State": {**SEEN["State"], **state}}


def test_what_was_given_is_read_back_without_a_difference():
    outputs = container_state.outputs(with_defaults(SCHEMA, INPUTS), seen())
    assert changes(SCHEMA, outputs, INPUTS) == {}


def test_ports_that_docker_chose_are_read_back_in_the_order_given():
    outputs = container_state.outputs(with_defaults(SCHEMA, INPUTS), seen())
    assert outputs["ports"] == [
        {"internal": 8000, "external": 32768, "ip": "0.0.0.0", "protocol": "tcp"},
        {"internal": 53, "external": 53, "ip": "127.0.0.1", "protocol": "udp"},
    ]


def test_a_stopped_container_keeps_its_ports_in_the_state():
    running = container_state.outputs(with_defaults(SCHEMA, INPUTS), seen())
    stopped = seen(Running=False)
    stopped["NetworkSettings"]["Ports"] = {}
    assert container_state.outputs(running, stopped)["ports"] == running["ports"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"internal": 5001, "protocol": "tcp"}, 32768),
        ({"internal": 5001}, 32768),
        ({"internal": 5001, "external": 80}, 80),
        ({"internal": 5001, "protocol": "udp"}, None),
        ({"internal": 5002}, None),
    ],
)
def test_an_update_keeps_the_ports_that_docker_chose(given, expected):
    known = [{"internal": 5001, "protocol": "tcp", "external": 32768, "ip": "127.0.0.1"}]
    (port,) = container_state.with_chosen_ports([given], known)
    assert port.get("external") == expected


def test_addresses_are_told_by_network():
    (data,) = container_state.outputs({}, seen())["networkDatas"]
    assert (data["networkName"], data["ipAddress"], data["ipPrefixLength"]) == ("bridge", "172.17.0.2", 16)
    assert (data["gateway"], data["macAddress"]) == ("172.17.0.1", "02:42")


def test_health_checks_are_told_with_every_duration():
    assert container_state.healthcheck(SEEN["Config"]["Healthcheck"]) == {
        "tests": ["CMD", "true"],
        "retries": 2,
        "interval": "1s",
        "timeout": "2s",
        "startPeriod": "0s",
        "startInterval": "0s",
    }


def test_a_change_behind_our_back_is_a_difference():
    changed = seen()
    changed["HostConfig"]["Memory"] = 128 * 2**20
    outputs = container_state.outputs(with_defaults(SCHEMA, INPUTS), changed)
    assert list(changes(SCHEMA, outputs, INPUTS)) == ["memory"]


def test_environment_and_labels_stay_as_given():
    outputs = container_state.outputs({"envs": ["A=1"]}, seen())
    assert outputs["envs"] == ["A=1"]
    assert "labels" not in outputs


def test_an_import_describes_the_container_without_a_difference():
    given = {**with_defaults(SCHEMA, {}), "image": "i", "networkMode": "bridge"}
    outputs = container_state.outputs(given, seen())
    inputs = container_state.imported_inputs(outputs)
    assert inputs["command"] == ["serve"]
    assert (inputs["cpus"], inputs["memory"], inputs["name"], inputs["image"]) == ("1.0", 256, "n", "i")
    assert not {"hostname", "exitCode", "networkDatas", "start", "networkMode"} & inputs.keys()
    assert changes(SCHEMA, outputs, inputs) == {}
