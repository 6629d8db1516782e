"""A page for looking at runs: a server on this machine, and the files of the page in `static/`.

`cli/ui.py` calls `serve.serve` with some folders. `app` has one route for each kind of answer.
`answers`, `rollout_answers` and others compute them with the queries of `open_run`, `encoding`
turns them into JSON, and `security` guards every request.
"""
