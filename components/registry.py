"""A registry of images, asked over HTTP: what it holds, with which labels; deleting and relabelling.

The protocol is the OCI distribution specification. Images are pushed and pulled by the Docker daemon; here they
are only looked at, so that a preview knows what an update will find.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from components import names
from components.problems import Problem
from components.registry_login import Login, stored_login

TIMEOUT_S = 20
CERTIFICATES = Path("/etc/docker/certs.d")
"""Where Docker looks for the certificate authorities of registries, in a folder named after the host and port."""

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LISTS = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
API_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Where registries answer whose images are named by another host."""

LOOPBACK = re.compile(r"localhost|127\.\d+\.\d+\.\d+|\[::1\]")


@dataclass(frozen=True)
class StoredImage:
    """An image in a registry."""

    reference: str
    digest: str
    """Of its manifest."""
    media_type: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict((self.config.get("config") or {}).get("Labels") or {})

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it sets."""
        lines = (self.config.get("config") or {}).get("Env") or ()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    @property
    def created(self) -> str:
        """When it was made, in ISO 8601."""
        return str(self.config.get("created", ""))

    @property
    def size(self) -> int:
        """Bytes of its layers as they are stored."""
        return sum(int(layer["size"]) for layer in self.manifest.get("layers", ()))


class Registry:
    """A connection to the registry at `address`, `host[:port][/path]`; without a login, with that of `docker login`."""

    def __init__(self, address: str, login: Login | None = None, certificates: Path = CERTIFICATES) -> None:
        import requests

        self.address = address
        self.host = host = address.split("/")[0]
        self.api_host = API_HOSTS.get(host, host)
        self.login = login or stored_login(host)
        self.session = requests.Session()
        self.session.auth = as_it_is  # no ~/.netrc: its logins are not for registries
        self.certificates = certificates / host
        authorities = sorted(self.certificates.glob("*.crt"))
        # Given with each request: a session's own setting yields to REQUESTS_CA_BUNDLE.
        self.verify: dict[str, Any] = {"verify": str(authorities[0])} if authorities else {}
        self.tokens: dict[str, str] = {}
        self._base = ""
        self._images: dict[str, StoredImage | None] = {}

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    @property
    def place(self) -> str:
        """What it is, for messages."""
        return f"the registry {self.host}"

    def repository_of(self, repository: str) -> str:
        """Return where a repository is in this registry: below its address unless it names a registry."""
        return repository if names.registry_of(repository) else f"{self.address}/{repository}"

    def image_labels(self, reference: str) -> dict[str, str]:
        """Return the labels of the image `reference`; empty when there is no such image."""
        image = self.image(reference)
        return image.labels if image else {}

    def tags_of(self, repository: str) -> list[str]:
        """Return the references of a repository, the newest image first."""
        answer = self.request("GET", f"{self.path_of(repository)}/tags/list", missing=True)
        tags = (answer.json().get("tags") or []) if answer is not None else []
        images = [image for image in (self.image(f"{repository}:{tag}") for tag in tags) if image]
        return [image.reference for image in sorted(images, key=created_of, reverse=True)]

    def labelled(self, label: str) -> list[str]:
        """Return the references of all models below the registry's address that have a label, the newest first."""
        repositories = self.repositories(f"{self.address}/{names.MODEL_REPOSITORY}/")
        found = [self.image(reference) for repository in repositories for reference in self.tags_of(repository)]
        images = [image for image in found if image and label in image.labels]
        return [image.reference for image in sorted(images, key=created_of, reverse=True)]

    def repositories(self, below: str) -> list[str]:
        """Return the repositories whose name begins with `below` (with the host), by the registry's catalogue."""
        found: list[str] = []
        path: str | None = "_catalog?n=1000"
        while path:
            answer = self.request("GET", path)
            found += [f"{self.host}/{name}" for name in answer.json().get("repositories") or []]
            path = answer.links["next"]["url"] if "next" in answer.links else None
        return [name for name in found if name.startswith(below)]

    def image(self, reference: str) -> StoredImage | None:
        """Return the image `reference`, None when there is none; an index leads to its first image."""
        if reference not in self._images:
            self._images[reference] = self._image(reference)
        return self._images[reference]

    def _image(self, reference: str) -> StoredImage | None:
        repository, tag = names.repository_and_tag(reference)
        accept = {"Accept": ", ".join((MANIFEST, OCI_MANIFEST, *LISTS))}
        path = f"{self.path_of(repository)}/manifests"
        answer = self.request("GET", f"{path}/{tag}", missing=True, headers=accept)
        if answer is None:
            return None
        manifest = answer.json()
        if manifest.get("manifests"):
            answer = self.request("GET", f"{path}/{manifest['manifests'][0]['digest']}", headers=accept)
            manifest = answer.json()
        config = self.request("GET", f"{self.path_of(repository)}/blobs/{manifest['config']['digest']}").json()
        digest = answer.headers.get("Docker-Content-Digest") or digest_of(answer.content)
        return StoredImage(reference, digest, manifest.get("mediaType", OCI_MANIFEST), manifest, config)

    def blob(self, repository: str, digest: str) -> Any:
        """Return the answer that streams a blob; close it."""
        return self.request("GET", f"{self.path_of(repository)}/blobs/{digest}", stream=True)

    def delete(self, image: StoredImage) -> None:
        """Delete an image with all tags that it has; its repository stays, empty.

        Raises:
            Problem: the registry refuses, as it does unless it is set up for it.
        """
        repository, _ = names.repository_and_tag(image.reference)
        answer = self.send("DELETE", f"{self.path_of(repository)}/manifests/{image.digest}")
        if answer.status_code == 405:
            raise Problem(
                f"{self.place} does not allow deleting: its operator can, for Docker's own registry with "
                "REGISTRY_STORAGE_DELETE_ENABLED=true."
            )
        self.check(answer)
        self._images.clear()

    def relabel(self, image: StoredImage, labels: Mapping[str, str]) -> None:
        """Put an image with the same layers and other labels in the place of `image`."""
        repository, tag = names.repository_and_tag(image.reference)
        config = {**image.config, "config": {**(image.config.get("config") or {}), "Labels": dict(labels)}}
        content = json.dumps(config).encode()
        digest = digest_of(content)
        location = self.request("POST", f"{self.path_of(repository)}/blobs/uploads/").headers["Location"]
        self.request("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data=content)
        described = {**image.manifest["config"], "digest": digest, "size": len(content)}
        manifest = json.dumps({**image.manifest, "config": described}).encode()
        path = f"{self.path_of(repository)}/manifests/{tag}"
        self.request("PUT", path, data=manifest, headers={"Content-Type": image.media_type})
        self._images.clear()

    def path_of(self, repository: str) -> str:
        """Return the path of a repository that is named with its host."""
        return repository.removeprefix(f"{self.host}/")

    def request(self, method: str, path: str, *, missing: bool = False, **options: Any) -> Any:
        """Send a request and return its answer, None for one that is missing and may be.

        Raises:
            Problem: the registry cannot be reached or trusted, or refuses.
        """
        answer = self.send(method, path, **options)
        if missing and answer.status_code == 404:
            return None
        self.check(answer)
        return answer

    def check(self, answer: Any) -> None:
        """Raise `Problem` for an answer that is none."""
        if answer.status_code in (401, 403):
            who = f"the user {self.login.username!r}" if self.login else "a caller without a login"
            raise Problem(
                f"{self.place} refuses {who}: give registryUsername and registryPassword, or run "
                f"'docker login {self.host}'."
            )
        if answer.status_code >= 400:
            raise Problem(f"{self.place} answers {answer.status_code}: {said_by(answer)}.")

    def send(self, method: str, path: str, **options: Any) -> Any:
        """Send a request, with the login once the registry asks for one."""
        url = path if "://" in path else urljoin(self.base(), path)
        headers = {**options.pop("headers", {}), **self.authorization(url)}
        answer = self._send(method, url, headers=headers, **options)
        if answer.status_code == 401 and self.take_challenge(answer, url):
            headers.update(self.authorization(url))
            answer = self._send(method, url, headers=headers, **options)
        return answer

    def _send(self, method: str, url: str, **options: Any) -> Any:
        import requests

        try:
            return self.session.request(method, url, timeout=TIMEOUT_S, **self.verify, **options)
        except requests.exceptions.SSLError as error:
            raise Problem(
                f"the certificate of {self.place} is not trusted: {reason(error)}. Put that of its authority into "
                f"{self.certificates / 'ca.crt'}, where Docker looks for it too."
            ) from None
        except requests.exceptions.RequestException as error:
            raise Problem(
                f"{self.place} cannot be reached: {reason(error)}. Start it, or correct its address."
            ) from None

    def base(self) -> str:
        """Return where the registry's API begins: on this machine by HTTP where it speaks that, as Docker allows."""
        if not self._base:
            scheme = (
                "http" if LOOPBACK.fullmatch(self.host.rpartition(":")[0] or self.host) and self.is_plain() else "https"
            )
            self._base = f"{scheme}://{self.api_host}/v2/"
        return self._base

    def is_plain(self) -> bool:
        """Return whether the registry answers plain HTTP; Go's servers answer 400 to it when they want TLS."""
        import requests

        try:
            return bool(self.session.get(f"http://{self.host}/v2/", timeout=TIMEOUT_S).status_code != 400)
        except requests.exceptions.RequestException:
            return False

    def authorization(self, url: str) -> dict[str, str]:
        """Return the header that a request to the registry needs, as far as it is known; none for other hosts."""
        if urlsplit(url).netloc != self.api_host:
            return {}
        token = self.tokens.get(scope_of(url)) or self.tokens.get("")
        return {"Authorization": token} if token else {}

    def take_challenge(self, answer: Any, url: str) -> bool:
        """Take the login that a registry asks for in a 401; return whether there is one to try."""
        from requests.auth import _basic_auth_str

        scheme, _, rest = answer.headers.get("WWW-Authenticate", "").partition(" ")
        basic = _basic_auth_str(self.login.username.encode(), self.login.password.encode()) if self.login else ""
        if scheme.lower() == "basic" and basic and self.tokens.get("") != basic:
            self.tokens[""] = basic
            return True
        if scheme.lower() != "bearer":
            return False
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = asked.pop("realm", "")
        got = self._send("GET", realm, params=asked, headers={"Authorization": basic} if basic else {})
        if got.status_code != 200:
            return False
        content = got.json()
        self.tokens[scope_of(url)] = f"Bearer {content.get('token') or content.get('access_token')}"
        return True


def as_it_is(request: Any) -> Any:
    """Return a request as it is: an authentication of requests that adds nothing."""
    return request


def scope_of(url: str) -> str:
    """Return what a token is good for: the repository that a request names."""
    return re.split(r"/(?:tags|manifests|blobs)/", urlsplit(url).path)[0]


def digest_of(content: bytes) -> str:
    """Return a content's digest as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def created_of(image: StoredImage) -> str:
    """Return when an image was made, or the model in it registered."""
    from components.models import CREATED

    return image.labels.get(CREATED) or image.created


def said_by(answer: Any) -> str:
    """Return what an error answer says."""
    try:
        return "; ".join(str(error.get("message") or error.get("code")) for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return " ".join(answer.text.split())[:200] or str(answer.reason)


def reason(error: BaseException) -> str:
    """Return the innermost reason of an error, on one line."""
    from components.daemon import cause_of

    return cause_of(error)
