"""A script, a model and a certificate that change while the service that has them is called."""

from pathlib import Path

from tests import pki

MODEL = "model.txt"


class Changing:
    """The files of a service in a checkout.

    Args:
        checkout: the project's folder.
        script: the script's path in it.
        certificates: the folder in it of the certificate and its private key.
    """

    def __init__(self, checkout: Path, script: str, certificates: str) -> None:
        self.checkout = checkout
        self.script = script
        self.certificates = certificates
        self.write_script("first")
        self.write_model("model")
        self.renew_certificate()

    def write_script(self, answer: str, init: str = "pass") -> None:
        """Write a script that answers with a word of its own and the model's content."""
        (self.checkout / self.script).write_text(
            f"import os\n\n\ndef init():\n    {init}\n\n\n"
            "def run(data):\n"
            f'    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "{MODEL}")) as file:\n'
            f"        return '{answer} ' + file.read()\n"
        )

    def write_model(self, content: str) -> None:
        """Write the model."""
        (self.checkout / MODEL).write_text(content)

    def renew_certificate(self) -> None:
        """Write a certificate, and over the one that is there."""
        pki.make_certificate(self.checkout / self.certificates, ["localhost"])

    @property
    def access(self) -> dict[str, object]:
        """The settings of a service that asks for keys and speaks TLS."""
        return {
            "authEnabled": True,
            "sslEnabled": True,
            "sslCertPemFile": f"{self.certificates}/certificate.pem",
            "sslKeyPemFile": f"{self.certificates}/private-key.pem",
            "sslCname": "localhost",
        }
