"""The report on text: unintended memorisation, extraction, and what is remembered."""
