"""The national catalogue: 9,942 resources that 53 departments could have, and that nobody has.

Words lie in TOML: ``works/<department>.toml`` says what a department deals with, area by area;
``kinds.toml`` what is kept about a thing of each nature, ``items.toml`` of which data items.
"""
