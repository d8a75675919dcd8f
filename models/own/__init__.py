"""A user's own ONNX model becomes a bundle; needs neither torch nor the library that trained it."""
