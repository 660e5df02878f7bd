"""The departments' own databases: what each answers shared calls from.

One SQLite file a department; in it the table ``resource`` (code, relation, key) says which relation
holds which resource, keyed by what a call asks for, with a column for each of its items.
"""
