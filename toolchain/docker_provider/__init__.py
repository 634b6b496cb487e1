"""A stand-in for the vendor's Pulumi docker plugin, for machines that cannot download it.

It serves the resource types Container, Image, RemoteImage, Network, Volume and Tag with the tokens, inputs, outputs and
differences of the vendor's plugin of the same version, so that state written with one is continued by the other.
"""

VERSION = "5.2.0"
PACKAGE = "docker"
