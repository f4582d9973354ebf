"""What `mien demo` shows: a portrait under stress, or the album of a folder."""
