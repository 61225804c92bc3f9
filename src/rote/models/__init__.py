"""Define language models: an ``nn.Module`` from tokens to logits, and its exact parameter count."""
