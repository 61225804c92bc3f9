"""Files through a trained model and an entropy coder, there and back, bit for bit."""
