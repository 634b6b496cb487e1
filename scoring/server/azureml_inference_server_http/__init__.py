"""The import names of Azure ML's inference server that scoring scripts use."""
