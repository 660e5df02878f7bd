"""The national load: 53 departments, each a caller and a provider, in the proportions of 2020."""
