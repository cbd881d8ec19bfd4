"""SQL of what touches a gap of a feed; parameters as in `candle_read_sql`."""

# The times of a range that a feed never got the records of. No column of the outer
# query is in it, so it is read once, and not at all if nobody asks for `complete`.
GAPS = """(
           SELECT coalesce(
                      range_agg(tstzrange(g.start, g."end", '()')),
                      '{}'::tstzmultirange
                  )
           FROM feed_gaps AS g
           WHERE g.series_id = %(series_id)s
             AND g.kind = %(gap_kind)s
             AND g."end" > %(lo)s
             AND g.start < %(hi)s
       )"""
