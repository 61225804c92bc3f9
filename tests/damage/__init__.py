"""Outputs folders whose files are damaged, hostile or gone."""
