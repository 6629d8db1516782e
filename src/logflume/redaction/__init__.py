"""Finds and replaces secrets: passwords, tokens, keys, cookies.

| module | contents |
|---|---|
| `texts.py` | secrets within a text, by their form and by the name that they are assigned to |
| `field_names.py` | names of fields whose text is a secret |
| `values.py` | secrets in the values of an event, at any depth |
| `rules.py` | the patterns of known services |
| `randomness.py` | whether a text looks random |
| `letter_pairs.py` | whether letters and digits are more likely a name or random |
| `patterns.py` | patterns for texts of any length |
| `gitleaks.json` | the rules of gitleaks (MIT, see `LICENSE-gitleaks`), made by `vendor.py` |

RE2 matches all patterns on texts of any length, in a time that is linear in the length of the text.
"""
