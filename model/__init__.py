"""What decides: the matrix, the clean text, the model, the rules and the routing. Knows no web framework and no clock."""
