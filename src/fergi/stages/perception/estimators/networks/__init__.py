"""Convolutional networks of the paper: what they are made of, in torch and as ONNX graphs."""
