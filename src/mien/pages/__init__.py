"""HTML pages with pictures and plots inside: one look for every wing."""
