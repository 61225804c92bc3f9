"""Many runs: the plan of a sweep, the processes that carry it out, and where they stand."""
