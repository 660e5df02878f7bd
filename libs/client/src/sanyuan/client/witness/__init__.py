"""A witness by C2SP tlog-witness (https://c2sp.org/tlog-witness): no log shows it two histories.

It knows the newest tree of each log that it was told of, and cosigns a newer one only when that is
consistent with it. It needs nothing of the log but its public key, and trusts nobody.
"""
