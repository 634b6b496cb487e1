"""Measurements of deployments: updates under load, failure, stacks of many services, the gateway."""
