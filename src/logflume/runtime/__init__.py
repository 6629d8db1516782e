"""The pipeline of this process: `initialize`, `flush`, `shutdown`, forks and its end."""
