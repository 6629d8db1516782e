"""What plugs into a trainer: callbacks, wrapped reward functions, `attach`.

Importing this package loads neither torch nor transformers; `callbacks` does.
"""
