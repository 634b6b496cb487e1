"""``azureml.contrib.services``, as far as scoring scripts use it."""
