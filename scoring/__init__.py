"""Scoring of trained models: the server that runs in the image, the client, and the MNIST sample."""
