"""What the project needs on a machine, found there or made: packages, Pulumi, a plugin, a daemon, a base image."""
