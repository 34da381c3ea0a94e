"""Who may use the service: API keys, their table, and the rate limit."""
