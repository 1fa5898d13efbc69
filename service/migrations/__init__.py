"""How the corrections' database came to be, step by step; `service.database` runs what is missing."""
