"""Controls against memorising: each changes one thing of training, and works with every task."""
