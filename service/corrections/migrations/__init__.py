"""How the corrections' database came to be, step by step; `service.corrections.database` runs what is missing."""
