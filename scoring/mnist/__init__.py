"""The MNIST sample: real digits, training, scoring scripts and the packages that they need."""
