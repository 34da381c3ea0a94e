"""What every room stands on: it knows no engine, no database and no web."""
