"""From the weights and settings of other people's files to a `GPTConfig` and weights under nanoGPT's names.

`names` gives each weight its role, `parts` its orientation, `settings` reads what the file says, `questions` lists what no
file says, `losses` answers it on a text, and `assembly` builds config and weights. `formats/` says what is special to each.
"""
