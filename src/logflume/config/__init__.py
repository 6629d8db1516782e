"""The configuration: its model, and reading it from YAML or a dict."""
