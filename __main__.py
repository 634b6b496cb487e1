"""The project's program: settings in, services out."""

from pathlib import Path

import pulumi
import yaml
from pulumi.runtime.config import get_config_env, get_config_secret_keys_env

from components import memory, stack_secrets
from components.deployment import Deployment
from components.reporting import problems_reported
from components.settings import Settings

project = yaml.safe_load(Path(__file__).with_name("Pulumi.yaml").read_text())
with problems_reported(pulumi.get_project()):
    settings = Settings.from_config(
        get_config_env(),
        declared=list(project["config"]),
        project=pulumi.get_project(),
        secret=get_config_secret_keys_env(),
    )
    stack_secrets.check({service.name: service.access for service in settings.services}, pulumi.get_stack())
memory.collect_seldom()
deployment = Deployment(settings)
pulumi.export("services", deployment.deploy())
if keys := deployment.keys():
    pulumi.export("keys", pulumi.Output.secret(keys))
