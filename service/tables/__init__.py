"""Tables of tickets, read and written record by record: CSV, TSV, XLSX, JSON and JSON Lines."""
