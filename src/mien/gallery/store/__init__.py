"""The gallery's database: one SQLite file, or PostgreSQL. The only place that speaks SQL, with `migrations`."""
