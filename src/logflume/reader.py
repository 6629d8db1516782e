def open_run(path): raise SystemExit
