"""Request and response types for scripts with ``@rawhttp``."""
