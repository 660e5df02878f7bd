"""Identity assertions as the services that accept them see them (design §5).

`token` reads a JWT and opens its holder, `uses` counts within a batch, `store` keeps the counts.
"""
