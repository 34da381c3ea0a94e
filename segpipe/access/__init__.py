"""Who may ask the service: API keys, the table that holds them, and the rate of requests."""
