"""The second path: signed heads of one's streams, to the supervisor over HTTP (design §8).

Who runs the broker can keep a system's records from the log, and its seals from the system. It
cannot keep the system from telling the supervisor how far its streams go.
"""
