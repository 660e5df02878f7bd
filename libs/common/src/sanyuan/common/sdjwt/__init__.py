"""SD-JWT VC (RFC 9901) and Token Status List: issued by license-exchange, verified by anybody.

`keys` are issuers' keys, `json` and `jws` read strictly, `disclosures` and `issuing` make a
credential, `processing` is the algorithm of RFC 9901 §7.1, `credential` the whole verification,
`statuslist` the status. Nothing here needs a broker, a database or a clock: a department verifies
offline.
"""
