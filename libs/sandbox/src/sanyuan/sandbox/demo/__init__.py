"""The demo: one narrated case, the load of 53 departments, and what is left to look at."""
