"""What keeps a stolen gallery silent: keys, sealing, renewable templates, signatures, a search for remains."""
