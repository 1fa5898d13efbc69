"""Every way in: HTTP API, web page, command line and batch files."""
