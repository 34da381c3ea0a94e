"""What every package uses; it imports no engine, no database and no web framework."""
