"""Who is known: people enrolled, found, grouped and forgotten."""
