"""``make bench``: what each cycle does, beside a bare loop in the same run (design §10)."""
