"""What may be wrong with the intervals of a channel: each check returns findings, and changes nothing."""
