"""What a run can be looked at as, beside its text: samples, checks, tokens, the tail, lanes and code."""
