"""What decides: matrix, clean text, model, rules and routing; without web framework, clock or environment."""
