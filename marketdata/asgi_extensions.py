"""What our server adds to the scopes of applications, by name; others add nothing."""

# Cuts the connection of an HTTP answer that cannot be ended: a function without
# parameters. The client sees that the last chunk is missing.
ABORT_EXTENSION = "marketdata.abort"
