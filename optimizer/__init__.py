"""Plans the cheapest mix of commitments, capacity and models for GPU and LLM work."""
