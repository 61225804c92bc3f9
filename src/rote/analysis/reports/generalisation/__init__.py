"""The report on arithmetic and facts: what is learnt as a rule, and what by rote."""
