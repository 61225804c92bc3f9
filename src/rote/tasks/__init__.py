"""What a model is trained on: sequences of tokens, and how much information they carry."""
