"""What runs will cost, before they are run."""
