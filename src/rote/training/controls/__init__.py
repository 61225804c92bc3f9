"""Controls against memorisation: each changes one part of training and works with every task."""
