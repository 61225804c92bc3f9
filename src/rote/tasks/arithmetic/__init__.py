"""Arithmetic as lines of characters: a model can learn the rule, or memorise."""
