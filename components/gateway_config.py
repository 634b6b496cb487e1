"""The gateway's HAProxy configuration: a text made of what a service asks for and of its containers' names.

It names just the containers that are to serve, and is delivered when all of them are ready: a container that fails, or
one whose sibling fails, never gets a request. Docker's DNS says where each is, also after it was started again. A
connection that is refused is tried again at another container; a request that has been sent is never sent twice.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from components.dockerfile import PORT

HEALTH_PORT = 5002
"""Says on the gateway's loopback interface whether the service answers."""

CONTROL_PORT = 5003
"""HAProxy's own commands, on the gateway's loopback interface."""

FILES_ROOT = "/etc/gateway"
CONFIG_FILE, CERTIFICATE_FILE = "haproxy.cfg", "certificate.pem"
STATE_FOLDER = "/tmp/gateway"  # noqa: S108 - the container's own, in memory

KEEP_ALIVE_SECONDS = 10
"""How long an idle connection is kept. So long may the former configuration live on for it, in a process without checks
of the containers: an update waits for that before it removes them."""

SERVER_LIMIT_MS = 3_600_000
"""The scoring server's own time limit, where none is given."""

ANSWERS = {
    400: "The request is not valid HTTP.",
    408: "The request did not arrive in time.",
    500: "The gateway failed.",
    502: "The service broke off its answer.",
    503: "The service is busy or not ready. Try again later.",
    504: "The service did not answer in time.",
}
"""What the gateway says itself, by status, in the server's form."""


@dataclass(frozen=True)
class Version:
    """A version of the service: its name and its share of the requests."""

    name: str
    percentile: int = 100
    containers: Sequence[str] = ()
    """Names of the containers that serve it."""


@dataclass(frozen=True)
class GatewayConfig:
    """What the gateway has to know of a service. Times are in ms; 0 requests at once mean any number."""

    versions: Sequence[Version]
    replicas: int = 1
    """Containers of each version."""
    replica_max_concurrent_requests: int = 0
    max_request_wait_time: int = 500
    scoring_timeout_ms: int = 0
    tls: bool = False


def haproxy_config(config: GatewayConfig, certificate: str = "") -> str:
    """Return HAProxy's configuration, which names itself by a digest of all that it is made of."""
    text = "\n".join([*process_lines(), *default_lines(config), *traffic_lines(config), ""])
    digest = hashlib.sha256(f"{text}\0{certificate}".encode()).hexdigest()[:12]
    return f"global\n    description {digest}\n{text}"


def process_lines() -> list[str]:
    """Return the lines on the process as a whole."""
    return [
        "    log stdout format raw daemon notice",
        f"    stats socket ipv4@127.0.0.1:{CONTROL_PORT} level admin expose-fd listeners",
        f"    server-state-file {STATE_FOLDER}/servers",
        "    default-path config",
        "    nbthread 1",
        "    maxconn 4096",
        "    ssl-default-bind-options ssl-min-ver TLSv1.2",
        "resolvers docker",
        "    nameserver embedded 127.0.0.11:53",
        "    accepted_payload_size 8192",
        "    resolve_retries 3",
        "    timeout resolve 500ms",
        "    timeout retry 500ms",
        "    hold valid 500ms",
        "    hold nx 0s",
        "    hold obsolete 0s",
        *(f"    hold {kind} 10s" for kind in ("other", "refused", "timeout")),
    ]


def default_lines(config: GatewayConfig) -> list[str]:
    """Return the lines that hold for every connection."""
    # Somewhat longer than the server's own limit, so that its answer gets through.
    patience = (config.scoring_timeout_ms or SERVER_LIMIT_MS) + 5000
    return [
        "defaults",
        "    mode http",
        "    log global",
        "    option dontlognull",
        "    option dontlog-normal",
        "    option httplog",
        "    option forwardfor",
        "    option idle-close-on-response",
        "    option redispatch 1",
        "    retries 3",
        "    retry-on conn-failure",
        "    load-server-state-from-file global",
        "    timeout connect 1s",
        "    timeout client 75s",
        f"    timeout http-keep-alive {KEEP_ALIVE_SECONDS}s",
        f"    timeout http-request {KEEP_ALIVE_SECONDS}s",
        "    timeout check 3s",
        f"    timeout server {patience}ms",
        f"    timeout queue {config.max_request_wait_time}ms",
        *(answer_line(status, message) for status, message in ANSWERS.items()),
    ]


def answer_line(status: int, message: str) -> str:
    """Return the line that makes HAProxy give an answer of its own in the server's form."""
    body = json.dumps({"message": message})
    again = " hdr Retry-After 1" if status == 503 else ""
    return f"    http-error status {status} content-type application/json string '{body}'{again}"


def traffic_lines(config: GatewayConfig) -> list[str]:
    """Return the lines on where requests come in and where they go."""
    first = config.versions[0].name
    tls = f" ssl crt {CERTIFICATE_FILE} alpn http/1.1" if config.tls else ""
    served = " ".join(f"{{ nbsrv({version.name}) lt 1 }}" for version in config.versions if version.percentile)
    unnamed = "if !{ res.hdr(x-request-id) -m found }"
    named = "{ var(txn.request_id) -m found }"
    lines = [
        "frontend service",
        f"    bind :{PORT}{tls}",
        "    http-request set-var(txn.request_id) req.hdr(x-request-id)",
        f"    http-after-response set-header x-request-id %[var(txn.request_id)] {unnamed} {named}",
        f"    http-after-response set-header x-request-id %[uuid()] {unnamed}",
        # What a caller says of itself here would pass for what the gateway says of it.
        "    http-request del-header X-Forwarded-For",
        f"    http-request set-header X-Forwarded-Proto {'https' if config.tls else 'http'}",
        *choice_lines(config.versions),
        "frontend health",
        f"    bind 127.0.0.1:{HEALTH_PORT}",
        "    monitor-uri /",
        f"    monitor fail if {served}",
        f"    default_backend {first}",
    ]
    for version in config.versions:
        lines += backend_lines(version, config)
    return lines


def choice_lines(versions: Sequence[Version]) -> list[str]:
    """Return the lines that share the requests out; a version without a container in service gives its share away."""
    taking = [version for version in versions if version.percentile]
    if len(taking) < 2:
        return [f"    default_backend {taking[0].name}"]
    lines, below = ["    http-request set-var(txn.share) rand(100)"], 0
    for version in taking:
        below += version.percentile
        lines.append(
            f"    use_backend {version.name} if {{ var(txn.share) -m int lt {below} }} {{ nbsrv({version.name}) gt 0 }}"
        )
    lines += [f"    use_backend {version.name} if {{ nbsrv({version.name}) gt 0 }}" for version in taking]
    return [*lines, f"    default_backend {taking[0].name}"]


def backend_lines(version: Version, config: GatewayConfig) -> list[str]:
    """Return the lines of a version's containers."""
    limit = f" maxconn {config.replica_max_concurrent_requests}" if config.replica_max_concurrent_requests else ""
    return [
        f"backend {version.name}",
        "    balance leastconn" if config.replica_max_concurrent_requests else "    balance roundrobin",
        "    option httpchk GET /",
        "    http-check expect status 200",
        "    default-server check inter 500ms fastinter 250ms fall 2 rise 1",
        # Named anew, a container is looked up at once: it is ready, and the former ones are no longer named.
        f"    default-server resolvers docker resolve-prefer ipv4 init-addr last,libc,none{limit}",
        *(f"    server {name} {name}:{PORT}" for name in version.containers),
    ]
