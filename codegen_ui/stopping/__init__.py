"""When a completion ends: stop strings, the paper's truncation, the end of the function.

stopper.py        a request's rules together, and what may be shown while they are undecided; the strings looked for
function_end.py   a lexer that follows one function or class to its end
preamble.py       what comes before it: English, docstrings, imports, constants
"""

from codegen_ui.stopping.stopper import END_OF_TEXT, Stopper, truncate

__all__ = ["END_OF_TEXT", "Stopper", "truncate"]
