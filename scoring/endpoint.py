"""Where a service is called: HTTP with keys and TLS."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import requests

from scoring.transport import send

CONNECT_TIMEOUT = 5.0
FIX = "run `make up` to deploy the services"


class ServiceError(RuntimeError):
    """A call that brought no result: refused, timed out, answered with an error or with something that is not JSON.

    Attributes:
        status: the answer's HTTP status, None when there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Endpoint:
    """The address of a deployed web service, and what it wants from its callers.

    Attributes:
        name: the service's name.
        scoring_uri: where to POST input data; its path ends in ``/score``.
        timeout: seconds that an answer may take, beyond the 5 s that connecting may.
        style: what it was deployed from, as far as the stack says: model file, registered model or image.
        image: reference of the image that it runs.
        image_id: that image's id.
        models: the models in it, as `name:version`.
        keys: what the service asks its callers for, the first one first; empty when it asks for none.
        address: host and port that it is published on, where the name in its URI does not lead; empty for the URI's.
        certificate_file: path of its certificate (PEM), to be trusted; empty for those of public authorities alone.

    Raises:
        ValueError: the scoring URI is not one.
    """

    name: str
    scoring_uri: str
    timeout: float = 60.0
    style: str = ""
    image: str = ""
    image_id: str = ""
    models: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)
    address: str = ""
    certificate_file: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.scoring_uri)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.endswith("/score"):
            raise ValueError(
                f"service {self.name}: scoring URI {self.scoring_uri!r} must be http(s)://HOST[:PORT][/PREFIX]/score"
            )

    @property
    def swagger_uri(self) -> str:
        """Where the service describes its input and output."""
        return self._beside_score("swagger.json")

    def run(self, input_data: bytes | str) -> object:
        """Score input data (JSON text) and return the decoded JSON of the answer.

        A key that is refused, as it was changed meanwhile, is followed by the next one.

        Raises:
            ServiceError: no answer, an answer other than 2xx, or one that is not JSON.
        """
        body = input_data.encode() if isinstance(input_data, str) else input_data
        answer = self._with_keys("POST", self.scoring_uri, body)
        where = f"{self.name}: POST {self.scoring_uri}"
        if not 200 <= answer.status_code < 300:
            raise ServiceError(f"{where} answered {answer.status_code}: {_message(answer)}", answer.status_code)
        try:
            return answer.json()
        except ValueError as error:
            raise ServiceError(
                f"{where} answered {answer.status_code} with something that is not JSON: {_start(answer.text)}",
                answer.status_code,
            ) from error

    def sample_input(self) -> object:
        """The example of an input in the service's description; None where that has none, or is of another form.

        Raises:
            ServiceError: no answer.
        """
        try:
            document = self._with_keys("GET", self.swagger_uri).json()
            definitions = document.get("definitions") or document["components"]["schemas"]
            example: object = definitions["ServiceInput"].get("example")
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return None if example == {} else example

    def state(self) -> str:
        """``Healthy`` when a GET of the root is answered with 200, as it is once loaded, or ``Unhealthy``."""
        try:
            answer = self._request("GET", self._beside_score(""))
        except ServiceError:
            return "Unhealthy"
        return "Healthy" if answer.status_code == 200 else "Unhealthy"

    def test_page(self) -> str:
        """Where to try the service in a browser; empty where it has no such page, as by default with keys."""
        uri = self._beside_score("ui")
        try:
            answer = self._request("GET", uri)
        except ServiceError:
            return ""
        is_page = answer.status_code == 200 and answer.headers.get("Content-Type", "").startswith("text/html")
        return uri if is_page else ""

    def _beside_score(self, name: str) -> str:
        parts = urlsplit(self.scoring_uri)
        return urlunsplit((parts.scheme, parts.netloc, parts.path.removesuffix("score") + name, "", ""))

    def _with_keys(self, method: str, uri: str, body: bytes | None = None) -> requests.Response:
        """The answer to the first of the keys that is not refused."""
        for key in self.keys or ("",):
            answer = self._request(method, uri, body, key)
            if answer.status_code != 401:
                break
        return answer

    def _request(self, method: str, uri: str, body: bytes | None = None, key: str = "") -> requests.Response:
        where = f"{self.name}: {method} {uri}"
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        with requests.Session() as session:
            try:
                return send(
                    session,
                    method,
                    uri,
                    address=self.address,
                    certificate_file=self.certificate_file,
                    data=body,
                    headers=headers,
                    timeout=(CONNECT_TIMEOUT, self.timeout),
                )
            except requests.Timeout as error:
                late = CONNECT_TIMEOUT if isinstance(error, requests.ConnectTimeout) else self.timeout
                raise ServiceError(f"{where} had no answer within {late:g} s") from error
            except requests.RequestException as error:
                raise ServiceError(f"{where} could not be reached: {_cause(error)}; {FIX}") from error


def _message(answer: requests.Response) -> str:
    """What an error answer says: its ``message`` where it has one, else the start of its text."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        message = answer.text
    return _start(str(message))


def _start(text: str, limit: int = 500) -> str:
    text = text.strip()
    return (text if len(text) <= limit else text[:limit] + " ...") or "(nothing)"


def _cause(error: BaseException) -> str:
    """The innermost exception's text: requests and urllib3 wrap the operating system's plain words thrice."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error)
