import io
import tarfile

import pytest

from toolchain.docker_provider import container_request
from toolchain.docker_provider.container_schema import SCHEMA
from toolchain.docker_provider.schema import with_defaults


def creation(**inputs):
    return container_request.creation(with_defaults(SCHEMA, {"image": "i", "name": "n", **inputs}))


@pytest.mark.parametrize(
    ("inputs", "part", "expected"),
    [
        ({"memory": 256, "memorySwap": -1}, "Memory", 256 * 2**20),
        ({"memory": 256, "memorySwap": -1}, "MemorySwap", -1),
        ({"cpus": "0.5"}, "NanoCpus", 500_000_000),
        ({"cpus": "0.5", "cpuQuota": 1}, "CpuQuota", None),
        ({"cpuQuota": 50000}, "CpuQuota", 50000),
        ({"shmSize": 64}, "ShmSize", 64 * 2**20),
        ({}, "NetworkMode", "bridge"),
        ({}, "RestartPolicy", {"Name": "no", "MaximumRetryCount": 0}),
        (
            {"restart": "on-failure", "maxRetryCount": 3},
            "RestartPolicy",
            {"Name": "on-failure", "MaximumRetryCount": 3},
        ),
        ({"logOpts": {"max-size": "10m"}}, "LogConfig", {"Type": "", "Config": {"max-size": "10m"}}),
        ({"capabilities": {"drops": ["ALL"]}}, "CapDrop", ["ALL"]),
        ({"volumes": [{"volumeName": "v", "containerPath": "/d", "readOnly": True}]}, "Binds", ["v:/d:ro"]),
        ({"volumes": [{"hostPath": "/h", "containerPath": "/d", "selinuxRelabel": "z"}]}, "Binds", ["/h:/d:rw,z"]),
        ({"volumes": [{"fromContainer": "c"}]}, "VolumesFrom", ["c"]),
        ({"hosts": [{"host": "a", "ip": "::1"}]}, "ExtraHosts", ["a:::1"]),
        (
            {"ulimits": [{"name": "nofile", "soft": 1, "hard": 2}]},
            "Ulimits",
            [{"Name": "nofile", "Soft": 1, "Hard": 2}],
        ),
        ({"gpus": "all"}, "DeviceRequests", [{"Count": -1, "Capabilities": [["gpu"]]}]),
        ({"gpus": "device=0,2"}, "DeviceRequests", [{"DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}]),
        (
            {"devices": [{"hostPath": "/dev/fuse"}]},
            "Devices",
            [{"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rwm"}],
        ),
        (
            {"ports": [{"internal": 80, "ip": "127.0.0.1"}, {"internal": 80, "external": 8080}]},
            "PortBindings",
            {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "0"}, {"HostIp": "0.0.0.0", "HostPort": "8080"}]},
        ),
        (
            {"mounts": [{"type": "tmpfs", "target": "/t", "tmpfsOptions": {"sizeBytes": 1}}]},
            "Mounts",
            [{"Type": "tmpfs", "Target": "/t", "ReadOnly": False, "TmpfsOptions": {"SizeBytes": 1, "Mode": 0}}],
        ),
        ({"deviceReadBps": [{"path": "/dev/sda", "rate": 1}]}, "BlkioDeviceReadBps", [{"Path": "/dev/sda", "Rate": 1}]),
    ],
)
def test_host_config(inputs, part, expected):
    assert creation(**inputs)["HostConfig"].get(part) == expected


def test_config():
    body = creation(
        command=["serve"],
        entrypoints=["/init"],
        envs=["A=2", "B=3"],
        labels=[{"label": "x", "value": "1"}],
        ports=[{"internal": 8000}],
        user="10001:10001",
        stopTimeout=20,
        healthcheck={"tests": ["CMD", "true"], "interval": "1s", "retries": 2},
        volumes=[{"containerPath": "/cache"}],
    )
    assert (body["Image"], body["Cmd"], body["Entrypoint"], body["User"]) == ("i", ["serve"], ["/init"], "10001:10001")
    assert (body["Labels"], body["ExposedPorts"], body["Volumes"]) == ({"x": "1"}, {"8000/tcp": {}}, {"/cache": {}})
    assert body["Healthcheck"] == {"Test": ["CMD", "true"], "Interval": 10**9, "Retries": 2}
    assert body["StopTimeout"] == 20


@pytest.mark.parametrize(
    ("strings", "ordered"),
    [(["A=2", "B=3"], ["B=3", "A=2"]), (["A=1", "B=2"], ["A=1", "B=2"]), (["A=1", "A=1"], ["A=1"])],
)
def test_environment_is_in_the_vendors_order(strings, ordered):
    assert container_request.in_set_order(strings) == ordered


def test_every_input_has_an_effect():
    """Each input is translated, or belongs to the steps before and after the creation."""
    steps = {
        "attach",
        "containerReadRefreshTimeoutMilliseconds",
        "destroyGraceSeconds",
        "logs",
        "mustRun",
        "name",
        "networksAdvanced",
        "platform",
        "removeVolumes",
        "start",
        "uploads",
        "wait",
        "waitTimeout",
    }
    samples = {"string": "1", "int": 7, "bool": True, "map": {"k": "v"}}
    plain = creation()
    for name, field in SCHEMA.items():
        if field.output or name in steps or name == "image":
            continue
        value = samples.get(field.kind)
        if field.kind in ("list", "set") and not field.fields:
            value = ["x"]
        elif value is None:
            item = {n: samples.get(f.kind, ["x"]) for n, f in field.fields.items() if not f.fields}
            value = item if field.kind == "object" else [item]
            if name == "healthcheck":
                value = {"tests": ["CMD", "x"]}
            if name == "volumes":
                value = [{"volumeName": "v", "containerPath": "/d"}]
        assert creation(**{name: value}) != plain, name


@pytest.mark.parametrize(
    ("upload", "mode", "owner", "content"),
    [
        ({"content": "1"}, 0o644, 0, b"1"),
        ({"content": ""}, 0o644, 0, b""),
        ({"content": "1", "executable": True}, 0o744, 0, b"1"),
        ({"contentBase64": "AAE=", "permissions": "0400", "owner": "10001"}, 0o400, 10001, b"\0\1"),
    ],
)
def test_uploads_are_archived(upload, mode, owner, content):
    archive = container_request.upload_archive({"file": "/etc/x", **upload})
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        (entry,) = opened.getmembers()
        stream = opened.extractfile(entry)
        assert stream is not None
        assert (entry.name, entry.mode, entry.uid, stream.read()) == ("etc/x", mode, owner, content)


def test_uploads_read_their_source(tmp_path):
    (tmp_path / "s").write_bytes(b"\xff")
    archive = container_request.upload_archive({"file": "/x", "source": str(tmp_path / "s")})
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        stream = opened.extractfile("x")
        assert stream is not None
        assert stream.read() == b"\xff"


def test_limits_are_updated_in_place():
    inputs = with_defaults(SCHEMA, {"image": "i", "memory": 300, "memorySwap": 600, "restart": "always"})
    assert container_request.update(inputs) == {
        "mem_limit": 300 * 2**20,
        "memswap_limit": 600 * 2**20,
        "restart_policy": {"Name": "always", "MaximumRetryCount": 0},
    }


def test_network_connection():
    network = {"name": "n", "aliases": ["svc"], "ipv4Address": "10.0.0.2", "driverOpts": ["a=b"]}
    expected = {"aliases": ["svc"], "ipv4_address": "10.0.0.2", "driver_opt": {"a": "b"}}
    assert container_request.network_connection(network) == expected
